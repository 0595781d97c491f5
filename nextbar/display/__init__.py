"""Display of results: a line, HTML, a chart. Charts are plain data, drawn by a page or a notebook."""
