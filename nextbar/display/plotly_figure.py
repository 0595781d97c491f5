"""A chart as a figure of Plotly, for a notebook; the page of a report draws the same data itself."""

from __future__ import annotations

from typing import Any

from nextbar.display.colours import painted
from nextbar.display.figure import Figure, text, unpacked


def plotly_figure(figure: Figure) -> Any:
    """A ``plotly.graph_objects.Figure``; several drawings lie behind each other, with a menu to choose one."""
    from plotly.graph_objects import Figure as PlotlyFigure  # takes seconds to import

    names = list(figure.drawings)
    of_trace = [name for name, drawing in figure.drawings.items() for _ in drawing.data]
    traces = [
        {**trace, "x": unpacked(trace["x"]), "y": unpacked(trace["y"]), "visible": name == names[0]}
        for name, drawing in figure.drawings.items()
        for trace in drawing.data
    ]
    layouts = {name: painted({"shapes": [], **drawing.layout}) for name, drawing in figure.drawings.items()}
    made = PlotlyFigure(painted(traces), layouts[names[0]])
    made.update_layout(title={"text": text(figure.title)}, margin={"t": 70}, template="plotly_white")
    if figure.legend:
        made.update_layout(showlegend=True)
    if len(names) > 1:
        seen = {name: {"visible": [of == name for of in of_trace]} for name in names}
        buttons = [{"label": text(name), "method": "update", "args": [seen[name], layouts[name]]} for name in names]
        made.update_layout(updatemenus=[{"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.15, "yanchor": "top"}])
    return made
