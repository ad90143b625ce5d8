"""The command line."""

import argparse

from .servers import SERVERS
from .works import WORKS


def chosen(text, known, what, parser):
    """Words of a list with commas, each once, in the order in which they stand there."""
    words = [word for word in text.split(",") if word]
    for word in words:
        if word not in known:
            parser.error(f"no {what} {word}: there are {', '.join(known)}")
    return list(dict.fromkeys(words))


def parse(about, words=None):
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="everything in small, one round: that it runs, not what to quote")
    parser.add_argument("--resume", action="store_true", help="go on from the results that stand")
    parser.add_argument("--servers", metavar="A,B", help=f"only these: {', '.join(SERVERS)}")
    parser.add_argument("--work", metavar="X,Y", help=f"only these, in this order: {', '.join(WORKS)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each work (default: what it needs)")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the document from the results that stand (with --quick: of those of quick runs)")
    options = parser.parse_args(words)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    options.servers = list(SERVERS) if options.servers is None else chosen(options.servers, SERVERS, "server", parser)
    done = [name for name, work in WORKS.items() if any(entry.server in options.servers for entry in work.entries)]
    if options.work is None:
        options.work = [name for name in done if not WORKS[name].only_by_name]
    else:
        options.work = chosen(options.work, WORKS, "work", parser)
        for name in options.work:
            # It would be passed over, and the rest look like all.
            if name not in done:
                parser.error(f"none of {', '.join(options.servers)} does {name}")
    if not options.work or not options.servers:
        parser.error("there is nothing to do")
    return options
