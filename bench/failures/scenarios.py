"""What happens to the origins, and what may be seen of it."""

import dataclasses

TURN = 4.0


@dataclasses.dataclass(frozen=True)
class Step:
    """At this second, these origins: a line for them (see origin.py), "kill" or "start"."""

    at: float
    origins: tuple
    order: str


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`share`: the bounds, in per cent, of what the first origin gets of all arrivals from `share_from` to the end."""

    seconds: float
    steps: tuple
    most_failures: int
    share_from: float = TURN + 2
    share: tuple = (0.0, 100.0)


def turning(order, most_failures, **more):
    """The first origin is told so at second 4, and stays so for ten seconds."""
    return Scenario(TURN + 10, (Step(TURN, (0,), order),), most_failures, **more)


def killed(origins, most_failures=0):
    """Killed with -9 at second 4, started again at 9, observed from 14 on: within 5 s it has its share again."""
    steps = (Step(TURN, origins, "kill"), Step(9.0, origins, "start"))
    return Scenario(18.0, steps, most_failures, share_from=14.0, share=(20.0, 30.0))


def flapping():
    """Killed and started again every two seconds."""
    orders = ("kill", "start")
    return Scenario(16.0, tuple(Step(TURN + 2.0 * i, (0,), orders[i % 2]) for i in range(5)), 0)


SCENARIOS = {
    "steady": Scenario(10.0, (), 0, share=(20.0, 30.0)),
    "killed": killed((0,)),
    # Three processes take some milliseconds to die: a request may lose a connection of each, and it is sent three times at most.
    "three-killed": killed((0, 1, 2), most_failures=2),
    "flapping": flapping(),
    "resets": turning("reset", 0),
    "fails": turning("fail 1.0", 10),
    "fails-half": turning("fail 0.5", 15),
    "slow": turning("slow 0.5", 0, share=(0.0, 0.8)),
    "hangs": turning("hang", 5),
}
