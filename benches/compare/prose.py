"""What the document says whatever was measured. Pure text; `{compare}` is the way to this folder."""

ABOUT = """What a push server costs: fanfare, the server of this repository, beside seven other ways to do the same work, on the same machine.
Each work is one run of all its servers; works may be of several runs and commits, as the rows of "the runs" show. Written by [benches/compare]({compare}) from raw results: do not edit, run it again (the last section says how).

How to read it:

- **Only ratios within one run count.** The same server differs by a third between two minutes of one virtual machine. What a figure is
  on another machine, nobody knows before it is measured there.
- A **delivery** is one message that one client got. A message to 1,000 clients is 1,000 deliveries.
- **CPU µs/delivery** is the CPU time of all the server's processes and threads, user and system, to the nanosecond by the kernel's
  `schedstat`, over what was delivered. Nine tenths of it is the kernel's `send`, the same for everyone: what is a server's own is small, and
  stands under "User-space CPU" where that was measured.
- **K in flight**: K messages are under way at a time, and the next leaves when the oldest has reached everyone. Latency is then
  closed-loop: it says how long a round takes, not what users of a busy server see. Where a rate is named, latency counts from the time at which
  a message was to leave, without coordinated omission.
- Figures are medians of the rounds, with the least and the greatest in parentheses. Each measurement has a fresh server process; servers take
  turns within a round.
- The server has one core, the load tool the other, unless the text says otherwise. Everything is on loopback, so a network's delay is in none of it.
- A figure stands only where nothing was lost, doubled or out of order, and nobody was cut off; anything else is a line that
  begins with "Not quoted". "–" in a table has the reason below it.
- In the plots, which stand in the repository alone, the line over a bar goes from the least to the greatest; each group has its own scale.
- Servers have their defaults, but for what the comparison needs; their settings and programs stand in
  [benches/compare/servers]({compare}/servers). Centrifugo's defaults join up to 16 messages in one frame.
"""

QUICK = """> **A quick run: everything in small, each measured for half a second, once. It shows that the comparison runs. Quote none of it.**
"""

AIMS = """What fanfare is held to, judged by the run of each work. A ratio is fanfare's figure over the other's, taken within a round; the median of
the rounds counts, with the least and the greatest in parentheses. "Met within the spread" is a median that misses where the best round does not, and
"met within the error" one that misses by less than the standard error of what was sampled; both only where the aim
allows it. "Not judged" has fewer than three rounds with both figures, where three were asked for. "Not measured" is a work that no run did,
or a server that was not there.
"""

NOT_MEASURED = """A network, a phone's radio, a proxy of a cloud: loopback has none of them. More than two cores: a server of many cores is
another machine. Days: each measurement is seconds. Servers that are sold as a service, and those without a WebSocket of their own.

"""

AGAIN = """## Run it again

```sh
benches/compare/run                       # everything but the next, under an hour
benches/compare/run --work user           # the time in user space, of fanfare and Bun, 40 minutes
benches/compare/run --resume              # goes on from the results that stand
benches/compare/run --quick               # everything in small, under five minutes
benches/compare/run --report              # writes this document anew, measures nothing
```

It needs Linux with two cores that nobody else uses, Rust, Python 3.9, Node.js 20, Go 1.26 for Centrifugo, and Debian or Ubuntu for nchan;
what else it needs it installs. Raw results, with all that the load tool tells, go to `benches/compare/results/*.json`.
[How it measures, and who does what]({compare}). The load tool by itself: `fanfare-load --help`.
"""
