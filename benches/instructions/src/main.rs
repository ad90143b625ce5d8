//! Counts of instructions: what a message, a publication, a delivery and a subscription take,
//! without a clock.
//!
//! Each scenario is set up by its `new`, counted in its `run`, and looked at by its `check`, which
//! fails if it did not do what was to be counted. Every count is of [`OPERATIONS`] operations.
//! `../run` builds and runs this under callgrind and compares the counts with those in
//! `../counts.toml`. What fanfare is made of is known to `harness` alone.

mod harness;

use std::hint::black_box;

use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

use harness::{
    ChannelName, Client, Decoder, HISTORY, Node, PAYLOAD_BYTES, Publication, PublishRequest, Since,
    Wire, Words,
};

/// Operations in each count; `../run` divides by it.
const OPERATIONS: usize = 100;

/// Receivers of each publication that is delivered.
const RECEIVERS: usize = 1_000;

/// Publications that are delivered before those that are counted.
const WARM_UP: usize = 10;

/// Publications that a subscriber with history has missed.
const MISSED: usize = 10;

/// Decoding: frames of a client's messages, masked, each read by the system as a whole or in two.
struct Decode {
    decoder: Decoder,
    frames: Vec<Vec<u8>>,
    /// Reads that bring one frame.
    reads: usize,
    bytes: usize,
}

impl Decode {
    fn new(words: Words, reads: usize) -> Self {
        Self {
            decoder: harness::decoder(),
            frames: (0..OPERATIONS)
                .map(|number| harness::masked(number, words))
                .collect(),
            reads,
            bytes: 0,
        }
    }

    fn run(mut self) -> Self {
        for frame in &mut self.frames {
            let length = frame.len().div_ceil(self.reads);
            for read in frame.chunks_mut(length) {
                self.bytes += black_box(harness::decode(&mut self.decoder, read));
            }
        }
        self
    }

    fn check(self) {
        let frames: usize = self.frames.iter().map(Vec::len).sum();
        assert_eq!(self.bytes, frames - OPERATIONS * harness::MASKED_HEAD_BYTES);
    }
}

/// Encoding: each publication for the first time, as the first of its receivers has it done.
struct Encode {
    publications: Vec<Publication>,
    wire: Wire,
}

impl Encode {
    fn new(wire: Wire) -> Self {
        // The thread's compressor is there from its first use on.
        harness::encode(&harness::publication(OPERATIONS), wire);
        Self {
            publications: (0..OPERATIONS).map(harness::publication).collect(),
            wire,
        }
    }

    fn run(self) -> Self {
        for publication in &self.publications {
            black_box(harness::encode(publication, self.wire));
        }
        self
    }

    fn check(self) {
        let bytes = |publication| harness::encode(publication, self.wire).len();
        let bytes: usize = self.publications.iter().map(bytes).sum();
        let deflated = matches!(self.wire, Wire::RawDeflated | Wire::JsonDeflated);
        assert_eq!(deflated, bytes < PAYLOAD_BYTES * OPERATIONS);
    }
}

/// Delivery: from the broker to bytes that the system has taken, for all receivers.
struct Deliver {
    node: Node,
    clients: Vec<Client>,
    channel: ChannelName,
    kept: bool,
    requests: Vec<PublishRequest>,
    /// Publications that the shard finds in its inbox at once.
    a_turn: usize,
    published: u64,
}

impl Deliver {
    /// Raw clients of a channel that keeps nothing, or clients of the protocol whose subscriptions
    /// follow the offsets of a channel that does.
    fn new(wire: Wire, a_turn: usize) -> Self {
        let mut scenario = Self::on(Node::new(), wire, a_turn);
        scenario.warm_up(WARM_UP);
        scenario
    }

    /// The same with a send window that ten publications fill. The first of all does not wait.
    fn windowed(wire: Wire) -> Self {
        let mut scenario = Self::on(Node::with_window(), wire, 1);
        scenario.warm_up(1);
        scenario.a_turn = 10;
        scenario.warm_up(WARM_UP);
        scenario
    }

    /// What the first deliveries leave behind, in the heap and elsewhere, is there for all others.
    fn warm_up(&mut self, publications: usize) {
        let requests = requests(&self.channel, self.kept);
        self.deliver(requests.into_iter().take(publications));
    }

    fn on(node: Node, wire: Wire, a_turn: usize) -> Self {
        let channel = ChannelName::from("news");
        let kept = matches!(wire, Wire::Json);
        let clients: Vec<_> = (0..RECEIVERS).map(|_| node.client(wire)).collect();
        for client in &clients {
            if kept {
                client.subscribe(&node, &channel, Some(&Since::Now));
            } else {
                client.join(&channel);
            }
        }
        node.settle();
        Self {
            node,
            clients,
            requests: requests(&channel, kept),
            channel,
            kept,
            a_turn,
            published: 0,
        }
    }

    /// Publishes as many at once as are for a turn, and has them delivered, until there are none.
    fn deliver(&mut self, mut requests: impl ExactSizeIterator<Item = PublishRequest>) {
        let last = &self.clients[RECEIVERS - 1];
        while requests.len() > 0 {
            for request in requests.by_ref().take(self.a_turn) {
                self.node.publish(request);
                self.published += 1;
            }
            self.node.until(|| last.received() == self.published);
        }
    }

    fn run(mut self) -> Self {
        let requests = std::mem::take(&mut self.requests);
        self.deliver(requests.into_iter());
        self
    }

    fn check(self) {
        assert!(self.published >= (WARM_UP + OPERATIONS) as u64);
        for client in &self.clients {
            assert_eq!(client.received(), self.published);
        }
        leave(self);
    }
}

/// Subscribing: sessions that enter a channel with one member, one after the other.
struct Subscribe {
    node: Node,
    channel: ChannelName,
    clients: Vec<Client>,
    since: Option<Since>,
    missed: usize,
}

impl Subscribe {
    fn new(kept: bool) -> Self {
        let node = Node::new();
        let channel = ChannelName::from("news");
        let clients: Vec<_> = (0..=OPERATIONS).map(|_| node.client(Wire::Json)).collect();
        if kept {
            for request in requests(&channel, kept) {
                node.publish(request);
            }
        }
        let since = kept.then(|| node.since(&channel, MISSED as u64));
        clients[OPERATIONS].subscribe(&node, &channel, since.as_ref());
        node.settle();
        Self {
            node,
            channel,
            clients,
            since,
            missed: 0,
        }
    }

    fn run(mut self) -> Self {
        for client in &self.clients[..OPERATIONS] {
            self.missed += client.subscribe(&self.node, &self.channel, self.since.as_ref());
        }
        self
    }

    fn check(self) {
        let expected = if self.since.is_some() { MISSED } else { 0 };
        assert_eq!(self.missed, expected * OPERATIONS);
        leave(self);
    }
}

/// Publishing: from a request to the inbox of the one shard that listens; nothing is delivered
/// yet.
struct Publish {
    node: Node,
    client: Client,
    requests: Vec<PublishRequest>,
}

impl Publish {
    /// A channel with history has all that it keeps, so that each publication takes the place of
    /// another.
    fn new(kept: bool) -> Self {
        let node = Node::new();
        let channel = ChannelName::from("news");
        let client = node.client(Wire::Raw);
        client.join(&channel);
        for request in requests(&channel, kept) {
            node.publish(request);
        }
        node.until(|| client.received() == HISTORY as u64);
        Self {
            node,
            client,
            requests: requests(&channel, kept),
        }
    }

    fn run(mut self) -> Self {
        for request in self.requests.drain(..) {
            self.node.publish(request);
        }
        self
    }

    fn check(self) {
        let all = (HISTORY + OPERATIONS) as u64;
        self.node.until(|| self.client.received() == all);
        leave(self);
    }
}

fn requests(channel: &ChannelName, kept: bool) -> Vec<PublishRequest> {
    (0..OPERATIONS)
        .map(|number| harness::request(channel, number, kept))
        .collect()
}

/// The process ends behind this: actors are not taken apart outside their runtime.
fn leave<T>(scenario: T) {
    std::mem::forget(scenario);
}

#[library_benchmark(teardown = Decode::check)]
#[bench::binary(Decode::new(Words::Binary, 1))]
#[bench::json(Decode::new(Words::Json, 1))]
#[bench::json_in_two_reads(Decode::new(Words::Json, 2))]
#[bench::chinese(Decode::new(Words::Chinese, 1))]
fn decode(scenario: Decode) -> Decode {
    scenario.run()
}

#[library_benchmark(teardown = Encode::check)]
#[bench::raw(Encode::new(Wire::Raw))]
#[bench::raw_deflated(Encode::new(Wire::RawDeflated))]
#[bench::envelope(Encode::new(Wire::Envelope))]
#[bench::json(Encode::new(Wire::Json))]
#[bench::json_deflated(Encode::new(Wire::JsonDeflated))]
#[bench::protobuf(Encode::new(Wire::Protobuf))]
fn encode(scenario: Encode) -> Encode {
    scenario.run()
}

#[library_benchmark(teardown = Deliver::check)]
#[bench::raw(Deliver::new(Wire::Raw, 1))]
#[bench::raw_ten_a_turn(Deliver::new(Wire::Raw, 10))]
#[bench::json(Deliver::new(Wire::Json, 1))]
#[bench::json_ten_a_turn(Deliver::new(Wire::Json, 10))]
#[bench::raw_full_window(Deliver::windowed(Wire::Raw))]
#[bench::json_full_window(Deliver::windowed(Wire::Json))]
fn deliver(scenario: Deliver) -> Deliver {
    scenario.run()
}

#[library_benchmark(teardown = Subscribe::check)]
#[bench::without_history(Subscribe::new(false))]
#[bench::with_history(Subscribe::new(true))]
fn subscribe(scenario: Subscribe) -> Subscribe {
    scenario.run()
}

#[library_benchmark(teardown = Publish::check)]
#[bench::not_kept(Publish::new(false))]
#[bench::kept(Publish::new(true))]
fn publish(scenario: Publish) -> Publish {
    scenario.run()
}

library_benchmark_group!(
    name = all,
    benchmarks = [decode, encode, deliver, subscribe, publish]
);

main!(
    config = LibraryBenchmarkConfig::default()
        // Instructions alone: a simulated cache would take twice the time and say little of a real
        // one.
        .tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = all
);
