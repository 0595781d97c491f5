"""Metrics of forecasts: losses window by window, their averages, and the comparison with a baseline.

- ``task``: the question (output mode, target, horizon, bin edges)
- ``truth``: the outcomes, with the quantities every loss needs
- ``reference``: the baseline of each series, and its unit of scaled errors
- ``point``: of the location: mae, mse, rmse, mape, r2, r2_return, mse_scaled, mae_scaled, acc_dir
- ``density``: of the predictive law: nll, crps, coverage_50 ... coverage_95, and its quantiles
- ``bins``: of probabilities: acc, log_loss, brier, acc_dir
- ``significance``: the Diebold-Mariano test
- ``comparison``: model beside baseline: skill, verdict, ranking score
- ``scores``: of one forecast on a span, or of several; ``scorer``: ``Scorer``, all of it for one span
- ``timeline``, ``null_draws``, ``contests``: losses per timestamp; the law of luck of many; who may be the best
- ``luck``: how likely the winner of many configurations is one by luck
- ``qlike``, ``isotonic``, ``decomposition``: forecast against realised variance; what a score is made of
- ``spacing``, ``hit_orders``, ``coverage_tests``, ``pit_tests``: tests of intervals and of the PIT
- ``multiplicity``, ``examined``, ``findings``: all tests of a span, each a sentence with its figures
- ``conformal``: intervals corrected by the validation span
- ``calibration``: coverage, PIT and reliability, beside what luck explains

Each of point, density and bins has two halves: ``elements`` gives arrays (N, H) that are summed over windows,
in any order and any batches, and ``read_out`` turns the sums into metrics. So a short last batch biases
nothing, and a whole span, one ticker and one horizon step are read out by the same formula.
"""
