"""What happens to the origins, and what may be seen of it."""

import dataclasses

TURN = 4.0
RATE = 300


@dataclasses.dataclass(frozen=True)
class Step:
    """At this second, these origins: a line for them (see origin.py), "kill" or "start"."""

    at: float
    origins: tuple
    order: str


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`share`: the bounds, in per cent, of what the first origin gets of all arrivals from `share_from` to the end. `tail`: how
    long after the turn answers may still be slow, in seconds. `retries`: the route asks for answers of 503 to be tried again."""

    seconds: float
    steps: tuple
    most_failures: int | None
    share_from: float = TURN + 2
    share: tuple = (0.0, 100.0)
    tail: float | None = None
    retries: bool = False

    def most_attempts(self, requests):
        """The retry budget: a fifth of the requests, and ten a second."""
        return 1.2 * requests + 10 * self.seconds


def turning(order, most_failures, origins=(0,), **more):
    """Some origins are told so at second 4, and stay so for ten seconds."""
    return Scenario(TURN + 10, (Step(TURN, origins, order),), most_failures, **more)


def killed(origins, most_failures=0):
    """Killed with -9 at second 4, started again at 9, observed from 14 on: within 5 s it has its share again."""
    steps = (Step(TURN, origins, "kill"), Step(9.0, origins, "start"))
    return Scenario(18.0, steps, most_failures, share_from=14.0, share=(20.0, 30.0), tail=1.0)


def healed(order, most_failures):
    """Turns bad at second 4 and good at 9; within 5 s it has its share again."""
    steps = (Step(TURN, (0,), order), Step(9.0, (0,), "good"))
    return Scenario(18.0, steps, most_failures, share_from=14.0, share=(20.0, 30.0))


def flapping():
    """Killed and started again every two seconds."""
    orders = ("kill", "start")
    return Scenario(16.0, tuple(Step(TURN + 2.0 * i, (0,), orders[i % 2]) for i in range(5)), 0)


ALL = (0, 1, 2, 3)

SCENARIOS = {
    "steady": Scenario(10.0, (), 0, share=(20.0, 30.0), tail=0.0),
    "slow": turning("slow 0.5", 0, share=(0.0, 0.8), tail=1.0),
    "fails-half": turning("fail 0.5", 15),
    "fails": turning("fail 1.0", 5, tail=1.0),
    "fails-half-retried": turning("fail 0.5", 0, retries=True),
    "fails-retried": turning("fail 1.0", 0, tail=1.0, retries=True),
    "killed": killed((0,)),
    # Three processes take some milliseconds to die: a request may lose a connection of each.
    "three-killed": killed((0, 1, 2)),
    "flapping": flapping(),
    "resets": turning("reset", 0, tail=1.0),
    "stuck": turning("hang", 5, tail=1.0),
    "vanishes": turning("vanish", 0, tail=2.0),
    "three-fail": turning("fail 1.0", None, origins=(0, 1, 2)),
    "all-fail": turning("fail 1.0", None, origins=ALL, retries=True),
    "all-killed": turning("kill", None, origins=ALL),
    "healed": healed("fail 1.0", 5),
    "sped-up": healed("slow 0.5", 0),
}
