//! What the log of the state costs beside fjall: a thread that appends batches of 16 records of 200
//! bytes and waits for each batch, with a sync a second on another thread; then how long a start
//! takes. Both in one run, in turns. `state DIR [SECONDS]`; DIR is made and removed.
//!
//! The log is fanfare's own, by path. What it names beside itself stands in `around.rs`, so that
//! the server need not be built.

#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]
#![cfg_attr(
    test,
    allow(
        clippy::too_many_lines,
        reason = "a test's scenario is one story; the code itself is checked without its tests"
    )
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a load that comes in intervals sleeps between them"
)]

mod around;
#[path = "../../../src/id.rs"]
pub mod id;
#[path = "../../../src/liveness.rs"]
mod liveness;
#[path = "../../../src/state/mod.rs"]
pub mod state;
#[path = "../../../src/store.rs"]
pub mod store;
#[path = "../../../src/protocol/tags.rs"]
mod tags;
#[path = "../../../src/unix_time.rs"]
mod unix_time;

pub use around::{broker, config, logger, protocol, publication, registry};

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    time::{Duration, Instant},
};

use id::Epoch;
use publication::{Item, Payload};
use state::{StateDir, StateOptions};
use store::{PublicationRecord, Record, Store};

const BATCH: u64 = 16;
const CHANNELS: u64 = 1000;

fn record(number: u64, bytes: usize) -> Record {
    let text = String::from_utf8(vec![b'x'; bytes]).expect("text");
    Record::Publication(PublicationRecord {
        channel: format!("channel-{}", number % CHANNELS).as_str().into(),
        epoch: Epoch::of_bits(7),
        item: Arc::new(Item::new(Payload::Text(text.into()), number / CHANNELS + 1)),
        first: 1,
        expires_ms: u64::MAX,
        ttl: Duration::from_secs(300),
        version: None,
        key: None,
    })
}

/// CPU time of this process so far, all threads.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("procfs");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks: u64 = fields[11..13]
        .iter()
        .map(|ticks| ticks.parse::<u64>().expect("ticks"))
        .sum();
    Duration::from_millis(ticks * 10)
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

/// Appends for a time, a batch after the other or one record each 5 ms, and prints what it took.
fn measure(name: &str, seconds: u64, pause: Option<Duration>, mut batch: impl FnMut(u64, u64)) {
    let (start, before) = (Instant::now(), cpu());
    let (mut number, mut times) = (0, Vec::new());
    let count = if pause.is_some() { 1 } else { BATCH };
    while start.elapsed() < Duration::from_secs(seconds) {
        let begun = Instant::now();
        batch(number, count);
        times.push(begun.elapsed());
        number += count;
        if let Some(pause) = pause {
            std::thread::sleep(pause.saturating_sub(begun.elapsed()));
        }
    }
    let (wall, used) = (start.elapsed(), cpu() - before);
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{name}: {:.0} records/s, {:.2} µs of CPU each, batch p50 {:?} p99 {:?} max {:?}",
        number as f64 / wall.as_secs_f64(),
        used.as_secs_f64() * 1e6 / number as f64,
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

fn options() -> StateOptions {
    StateOptions {
        sync: config::SyncPolicy::Every(Duration::from_secs(1)),
        bytes_max: u64::MAX,
        queue: 1 << 16,
        queue_bytes: 64 << 20,
    }
}

fn own(dir: &Path, seconds: u64, pause: Option<Duration>) {
    let state = StateDir::open(dir, options(), Duration::ZERO).expect("a directory");
    state.log.start(Vec::new()).expect("threads");
    let (sender, done) = mpsc::sync_channel(BATCH as usize);
    measure("log  ", seconds, pause, |first, count| {
        for number in first..first + count {
            let sender = sender.clone();
            let is_last = number + 1 == first + count;
            let written = move |result: Result<(), _>| {
                result.expect("written");
                if is_last {
                    sender.send(()).expect("waited for");
                }
            };
            state
                .log
                .append(record(number, 200), store::Written::call(written))
                .expect("room");
        }
        done.recv().expect("written");
    });
    state.close();
    println!("       {} MiB of files", size(dir) >> 20);
}

fn fjall(dir: &Path, seconds: u64, pause: Option<Duration>) {
    let database = ::fjall::Database::builder(dir).open().expect("a directory");
    let items = database
        .keyspace("items", ::fjall::KeyspaceCreateOptions::default)
        .expect("a keyspace");
    let is_over = Arc::new(AtomicBool::new(false));
    let (other, over) = (database.clone(), is_over.clone());
    let sync = std::thread::spawn(move || {
        while !over.load(Relaxed) {
            std::thread::sleep(Duration::from_secs(1));
            other
                .persist(::fjall::PersistMode::SyncData)
                .expect("synced");
        }
    });
    measure("fjall", seconds, pause, |first, count| {
        let mut batch = database.batch();
        for number in first..first + count {
            let (channel, offset) = (number % CHANNELS, number / CHANNELS);
            let mut key = format!("channel-{channel}").into_bytes();
            key.extend_from_slice(&offset.to_be_bytes());
            batch.insert(&items, key, vec![b'x'; 200]);
        }
        batch.commit().expect("written");
    });
    is_over.store(true, Relaxed);
    sync.join().expect("a thread");
    println!("       {} MiB of files", size(dir) >> 20);
}

/// A start with what `limits.history_bytes` charges at 256 MiB in items of 128 bytes.
fn start(dir: &Path) {
    let mut charged = 0;
    {
        let state = StateDir::open(dir, options(), Duration::ZERO).expect("a directory");
        state.log.start(Vec::new()).expect("threads");
        let mut number = 0;
        while charged < 256 << 20 {
            let record = record(number, 128);
            charged += match &record {
                Record::Publication(one) => one.item.weight(),
                _ => 0,
            };
            if state
                .log
                .append(record, store::Written::call(|_| {}))
                .is_ok()
            {
                number += 1;
            } else {
                std::thread::yield_now();
            }
        }
        state.close();
    }
    let state = StateDir::open(dir, options(), Duration::ZERO).expect("a directory");
    let (begun, before) = (Instant::now(), cpu());
    let mut kept = Vec::new();
    state
        .log
        .read(&mut |record| kept.push(record))
        .expect("files");
    println!(
        "start: {} items of 128 bytes, {} MiB of files, read in {:?} ({:?} of CPU)",
        kept.len(),
        size(dir) >> 20,
        begun.elapsed(),
        cpu() - before,
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().expect("a directory"));
    let seconds = arguments
        .next()
        .map_or(5, |seconds| seconds.parse().expect("seconds"));
    fs::create_dir(&dir).expect("a directory that is not there");
    for round in 0..3 {
        own(&dir.join(format!("own{round}")), seconds, None);
        fjall(&dir.join(format!("fjall{round}")), seconds, None);
    }
    let pause = Some(Duration::from_millis(5));
    println!("one record each 5 ms:");
    own(&dir.join("own-slow"), seconds, pause);
    fjall(&dir.join("fjall-slow"), seconds, pause);
    start(&dir.join("start"));
    fs::remove_dir_all(&dir).expect("removed");
}
