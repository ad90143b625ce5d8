//! The fan-out path without the system's sends: one publication to 1,000 receivers, encoded once,
//! from the channel's members to bytes ready to be written, and the bookkeeping of their leaving.
//! Pure data, so that what is measured is ours.
//!
//! `cargo bench --bench fanout`

use std::{hint::black_box, rc::Rc, sync::Arc, time::Duration};

use divan::{Bencher, counter::ItemsCount};
use fanfare::{
    config::SlowPolicy,
    connection::outbox::{FRAME_OVERHEAD, Outbox, OutboxConfig, SharedFrame},
    publication::{Compression, Payload, Publication, Target, WireFormat},
    registry::{ChannelName, Registry, Slot},
};

const RECEIVERS: u32 = 1_000;

const BOUNDS: OutboxConfig = OutboxConfig {
    bytes_max: 1 << 20,
    frame_overhead: FRAME_OVERHEAD,
    policy: SlowPolicy::Disconnect,
    compression: Compression {
        min_bytes: 256,
        level: 3,
    },
};

fn main() {
    divan::main();
}

/// A registry with all receivers in one channel, and their queues.
fn receivers() -> (Registry, ChannelName, Vec<Outbox>) {
    let channel: ChannelName = "news".into();
    let mut registry = Registry::new();
    for session in 0..RECEIVERS {
        registry.add_session(session);
        registry.join(session, &channel, Slot::NONE);
    }
    let queues = (0..RECEIVERS).map(|_| Outbox::default()).collect();
    (registry, channel, queues)
}

/// JSON-like text of a length.
fn text(bytes: usize) -> String {
    let mut text = String::new();
    let mut number = 0u32;
    while text.len() < bytes {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!("{{\"id\":{number},\"name\":\"row\"}},"));
    }
    text.truncate(bytes);
    text
}

fn fan_out(bencher: Bencher<'_, '_>, bytes: usize, form: WireFormat) {
    let (registry, channel, mut queues) = receivers();
    let text = text(bytes);
    bencher.counter(ItemsCount::new(RECEIVERS)).bench_local(|| {
        let target = Target::Channel(channel.clone());
        let payload = Payload::Text(text.as_str().into());
        let shared = Rc::new(Arc::new(Publication::message(target, payload)));
        let frame = SharedFrame::one(shared, form, &BOUNDS.compression);
        for (session, _) in registry.members(&channel) {
            let queue = &mut queues[session as usize];
            queue.push(frame.clone(), SlowPolicy::Disconnect, &BOUNDS);
            let ready = queue.single().map_or(0, |frame| black_box(frame).len());
            queue.advance(ready, &BOUNDS, |_, _| ());
        }
    });
}

#[divan::bench(args = [128, 4096])]
fn raw(bencher: Bencher<'_, '_>, bytes: usize) {
    fan_out(bencher, bytes, WireFormat::RAW);
}

#[divan::bench(args = [4096])]
fn deflated(bencher: Bencher<'_, '_>, bytes: usize) {
    fan_out(bencher, bytes, WireFormat::raw(15));
}

/// What the same would cost if every receiver had its own compression: the reason for one encoding
/// a publication.
#[divan::bench(args = [4096], max_time = Duration::from_secs(2))]
fn deflated_for_each(bencher: Bencher<'_, '_>, bytes: usize) {
    let text = text(bytes);
    bencher.counter(ItemsCount::new(RECEIVERS)).bench_local(|| {
        for _ in 0..RECEIVERS {
            let payload = Payload::Text(text.as_str().into());
            let own = Publication::message(Target::Everyone, payload);
            black_box(own.frame(WireFormat::raw(15), &BOUNDS.compression));
        }
    });
}
