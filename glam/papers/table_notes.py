"""What stands below a table of a paper: what its columns and marks mean, what is missing, what it does not say."""

from glam.evaluation.metric import METRICS
from glam.evaluation.unknown import Unknown
from glam.papers.against_print import CHANCE, MARGIN, tested
from glam.papers.among_rows import against_first, choice
from glam.papers.tables import RowReport, TableReport, with_runs
from glam.places import file_flags
from glam.reports.grid import signed
from glam.reports.summary import PURE, cut_line
from glam.reports.views import optimism_line
from glam.results.identity import FORMAT
from glam.splits.runs import RUNS
from glam.words import counted

MARK = "†"
HELD = (
    "held: the print has no standard deviation, so there is no test; the 95 % interval of our mean (of this corpus) "
    "has the printed number in it, or has not"
)


def printed_on(report: TableReport) -> str:
    """The corpus that the printed numbers are of, as people write it."""
    name = report.table.paper.printed_on
    return name if ":" in name else name.upper()


def note_lines(report: TableReport) -> list[str]:
    """What stands below the table, a line each."""
    printed = report.table.printed
    lines = []
    names = " or ".join(f'"{name}"' for name in printed.names_of("weighted_f1"))
    if names and report.is_stored:
        lines.append(
            f"¹ beside the printed column called {names}, which holds weighted F1; true micro F1 equals WA here"
        )
    if report.view == "test" and any(row.honest for row in report.rows):
        lines.append(f"² {optimism_line(error=False)}")
    if report.is_stored and any(metric.name == "pure_accuracy" for metric in report.metrics):
        cuts = {cut_line(row.row.recipe) for row in report.rows if row.row.recipe is not None}
        lines.append(PURE.format(cut=" or ".join(sorted(cuts))))
    if report.is_printed and not report.whole:
        name = printed_on(report)
        lines.append(
            f'"{name} print" is what the paper prints for {name}'
            + ("; the runs here are on another corpus" if report.is_stored else "")
        )
    elif report.is_printed:  # else there is nothing that the runs could be held against
        lines += _chance(report) if report.tests else []
        if report.unlike:
            lines.append(f"not tested against the print: not as printed are {', '.join(report.unlike)}")
        if any(comparison.holds is not None for row in report.rows for comparison in row.metrics.values()):
            lines.append(HELD)
    experiments = [row.stored.experiment for row in report.rows if row.stored.experiment is not None]
    lines += dict.fromkeys(line for experiment in experiments for line in experiment.remarks)
    lines += _among_rows(report)
    lines += _other_sources(report)
    lines += printed.notes
    lines += [f"{row.row.label}: {row.row.printed.note}" for row in report.rows if row.row.printed.note]
    lines += report.protocols
    for row in report.rows:
        lines += _of_row(row)
    lines += [f"cannot be read: {why}" for why in report.damaged if why not in {r.stored.damaged for r in report.rows}]
    elsewhere = {path for row in report.rows for path in row.stored.elsewhere}
    if elsewhere:
        lines.append("the same settings on another corpus, not shown: " + ", ".join(sorted(p.name for p in elsewhere)))
    return lines


def _of_row(row: RowReport) -> list[str]:
    """What is missing of a row, and what keeps it from being compared."""
    label, experiment = row.row.label, row.stored.experiment
    lines = [f"FAILED, not averaged: {label}, {run.key}: {run.failed}" for run in row.failed]
    lines += [
        f"INCOMPLETE, not pooled: {label}, seed {seed} has {row.folds - len(names)} of {row.folds} folds; "
        f"missing: {', '.join(names)}"
        for seed, names in row.missing.items()
    ]
    lines += _absent(row)
    if row.lacking:
        places = ", ".join(row.lacking)
        lines.append(f"{label}: not trained, as no file is given for {places}: say {file_flags(row.lacking)}")
    if row.unlike_print:
        lines.append(f"{label}: {row.unlike_print.upper()}: not compared with the print")
    if experiment is not None and experiment.format != FORMAT:
        lines.append(f"{label}: runs of format {experiment.format}, stored by an earlier version; only read")
    lines += [f"LEFT OUT: {label}: {reason}" for reason in row.left_out]
    if row.stored.damaged:
        lines.append(f"DAMAGED, not shown: {label}: {row.stored.damaged}")
    return lines


def _among_rows(report: TableReport) -> list[str]:
    """What the tests against the first row mean; and what the choice of a row on the test set adds."""
    rows = with_runs(report)
    lines = []
    if len(rows) > 1:
        first = next(iter(rows))
        lines += [
            f"{row.label}: not tested against {first}, because {row.test.reason}"
            for row in against_first(rows, first)
            if isinstance(row.test, Unknown)
        ]
        lines.append(
            "against the first row: paired by the utterances tested, corrected for test sets that overlap (Nadeau and "
            "Bengio), so of other utterances of these speakers; p after Holm's adjustment for the rows"
        )
    if not report.table.printed.chooses:
        return lines
    setting = report.table.printed.chooses
    lines.append(f"the paper takes the best {setting} of this table, chosen on the test set, into its other tables")
    chosen = choice(rows)
    if isinstance(chosen, Unknown):
        return [*lines, f"what that choice adds {chosen}"]
    label, of = chosen
    error = "" if isinstance(of.optimism.error, Unknown) else f" (se {of.optimism.error:.2f})"
    return [
        *lines,
        f"here the choice is {label}: WA {of.shown:.2f} over the utterances; chosen on one half of them and scored on "
        f"the other {of.honest:.2f}, so that the choice adds {signed(of.optimism.points)}{error}; half the utterances "
        f"choose the same row in {of.agreed:.0f} % of cases",
    ]


def _chance(report: TableReport) -> list[str]:
    over = (
        counted(report.assumed_runs, "run")
        if report.table.printed.runs
        else f"{RUNS} runs (assumed: no source says how many)"
    )
    names = " and ".join(metric.title for metric in report.metrics if metric.name in tested(report.metrics))
    return [
        f"{MARK} the difference is more than chance: Welch's test on both means and standard deviations, ours over the "
        f"runs shown, the printed one over {over} with ddof 1 (assumed); p <= {CHANCE} after Holm's adjustment for "
        f"{counted(report.tests, 'test')}, of {names} alone; a single run is not tested, nor are runs that do not "
        "differ",
        f"no mark is no reproduction. TOST: p-value of two one-sided tests that the difference is below {MARGIN:g} "
        f"point; the same: it is at most {CHANCE}; undecided: neither is shown. Intervals are of the difference, not "
        "adjusted. Visible from: the smallest true difference that these runs would mark in four of five cases",
    ]


def _other_sources(report: TableReport) -> list[str]:
    sources = report.table.paper.sources
    titles = {metric.name: metric.title for metric in (*METRICS.values(), *report.metrics)}
    return [
        f"{row.row.label}: {sources[source]} prints "
        + ", ".join(f"{titles.get(name, name)} {cell}" for name, cell in cells.items())
        for row in report.rows
        for source, cells in row.row.printed.differs.items()
    ]


def _absent(row: RowReport) -> list[str]:
    classes = row.stored.experiment.classes if row.stored.experiment else ()
    counts = {name: sum(i in outcome.scores.absent for outcome in row.scored) for i, name in enumerate(classes)}
    total = counted(len(row.scored), "seed" if row.folds else "run")
    return [
        f"{row.row.label}: no {name} in the test set of {count} of {total}; UA and macro F1 leave it out there"
        for name, count in counts.items()
        if count
    ]
