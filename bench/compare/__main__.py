"""Compares the cost of irongate with that of other proxies; run by bench/run, which prepares what this needs."""

import argparse
import os
import pathlib
import platform
import sys
import time

import peers
import processes
import report
import workloads


def arguments():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of: {', '.join(workloads.ALL)} (default: all)")
    parser.add_argument("--peers", default=",".join(peers.ALL), help="comma-separated, of: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are shown (%(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of load, a round and peer (%(default)s)")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections (%(default)s)")
    parser.add_argument("--routes", type=int, default=10_000, help="routes of the workload of many (%(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--binary", type=pathlib.Path, required=True, help="irongate (default: a release build)")
    options = parser.parse_args()
    options.workloads = options.workloads or list(workloads.ALL)
    options.peers = options.peers.split(",")
    for name, known in [*((w, workloads.ALL) for w in options.workloads), *((p, peers.ALL) for p in options.peers)]:
        if name not in known:
            parser.error(f"there is no '{name}'; there are: {', '.join(known)}")
    return options


def main():
    options = arguments()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("The comparison needs two cores: one for the proxy, one for the load and the origins.")
    processes.raise_file_limit()
    print(f"{processes.machine()}, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}; "
          f"medians of {options.rounds} rounds of {options.seconds} s")
    ok = True
    for name in options.workloads:
        table = workloads.ALL[name](options)
        report.show(name, table)
        ok = ok and table.complete
    # A bound that is not met is a column, not a failure: the machine may have been busy. A peer that did not run is.
    sys.exit(0 if ok else 1)


main()
