"""Tables and their verdicts."""

import dataclasses
import statistics


def median(values):
    """The middle of the values; of an even number the lower one, so that it is a value that was measured."""
    return statistics.median_low(values)


@dataclasses.dataclass
class Row:
    """One variant's rounds."""

    name: str
    rounds: list = dataclasses.field(default_factory=list)
    failures: list = dataclasses.field(default_factory=list)

    def add(self, figures):
        self.rounds.append(figures)
        if figures.get("complaints"):
            self.failures.append(figures["complaints"])

    def median(self, figure):
        return median([each[figure] for each in self.rounds])

    def typical(self):
        """The round with the median of CPU."""
        return sorted(self.rounds, key=lambda each: each["cpu"])[(len(self.rounds) - 1) // 2]


@dataclasses.dataclass
class Table:
    """What a workload gave.

    `bounds`: the subject's CPU over another row's (or the least of several) is to be at most the factor; for `idle` the
    factor is KiB a connection. `limits`: the most that a figure of the subject's may be.
    """

    kind: str
    rows: list
    bounds: list
    subject: str = "irongate"
    limits: dict = dataclasses.field(default_factory=dict)

    @property
    def complete(self):
        return all(row.rounds for row in self.rows)

    def row(self, name):
        return next((row for row in self.rows if row.name == name and row.rounds), None)


COLUMNS = {
    "CPU": ["cpu", "user", "rate", "busy", "p99", "memory", "×haproxy", "×floor"],
    "idle": ["idle", "base"],
    "routes": ["cpu", "user", "rate", "busy", "p99", "memory", "start", "×one route"],
    "threads": ["cpu", "user", "rate", "busy", "p99", "memory", "share", "×one thread"],
    "start": ["start", "memory"],
}
HEADS = {
    "cpu": "CPU µs/req", "user": "user", "rate": "req/s", "busy": "busy", "p99": "p99", "memory": "RSS MiB",
    "idle": "KiB/conn", "base": "base MiB", "start": "start ms", "share": "top share",
}
FORMS = {"cpu": ".2f", "user": ".2f", "rate": ".0f", "busy": ".0%", "memory": ".1f", "idle": ".2f", "base": ".1f",
         "start": ".0f", "share": ".2f"}


def show(name, table):
    columns = COLUMNS[table.kind]
    print(f"\n## {name}\n")
    head = f"{'':12}" + "".join(f"{HEADS.get(column, column):>12}" for column in columns)
    print(head.rstrip())
    for row in table.rows:
        if row.rounds:
            cells = "".join(f"{cell(table, row, column):>12}" for column in columns)
            every = ""
            if "cpu" in columns:
                every = "   " + " ".join(f"{each['cpu']:.1f}" for each in row.rounds)
            print(f"{row.name:12}{cells}{every}")
        for failure in sorted(set(row.failures)):
            print(f"{row.name:12}  ! {failure}")
    for line in verdicts(table):
        print(line)
    idle_cores = [row.name for row in table.rows if row.rounds and "busy" in row.rounds[0] and row.median("busy") < 0.9]
    if idle_cores and table.kind != "threads":
        print(f"The proxy's core was less than 90 % busy, so figures may be high or low: {', '.join(idle_cores)}")
    print(flush=True)


def cell(table, row, column):
    if column.startswith("×"):
        other = table.row(column[1:])
        return f"{row.median('cpu') / other.median('cpu'):.3f}" if other else "-"
    if column == "p99":
        return row.typical()["p99"]
    return format(row.median(column), FORMS[column])


def verdicts(table):
    subject = table.row(table.subject)
    if not subject:
        return
    if table.kind == "idle":
        yield verdict(f"{table.subject} KiB a connection", subject.median("idle"), table.bounds[0][1])
        return
    for others, factor in table.bounds:
        rows = [row for name in ([others] if isinstance(others, str) else others) if (row := table.row(name))]
        if rows:
            least = min(rows, key=lambda row: row.median("cpu"))
            ratio = subject.median("cpu") / least.median("cpu")
            yield verdict(f"{table.subject} CPU ÷ {least.name}", ratio, factor)
    for figure, limit in table.limits.items():
        yield verdict(f"{table.subject} {HEADS[figure]}", subject.median(figure), limit)


def verdict(what, value, most):
    return f"{'PASS' if value <= most else 'FAIL'}  {what}: {value:.3f}, at most {most:g}"
