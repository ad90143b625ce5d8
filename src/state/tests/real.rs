//! The log in a real directory, with its threads.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Weak, mpsc},
    time::{Duration, Instant},
};

use super::harness::{Owner, record};
use crate::{
    config::SyncPolicy,
    liveness::Liveness,
    state::{
        LogStore, StateDir, StateError, StateOptions, drop_revocations, history_bound, summarize,
    },
    store::{
        KeyRecord, Record, Revocation, RevocationSubject, SnapshotSource, Store as _, Written,
    },
};

const OPTIONS: StateOptions = StateOptions {
    sync: SyncPolicy::Every(Duration::from_millis(20)),
    bytes_max: 256 << 20,
    queue: 1000,
    queue_bytes: 1 << 20,
};
const SOON: Duration = Duration::from_secs(20);

/// A directory that is removed with this.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let name = format!("fanfare-state-{}", uuid::Uuid::new_v4());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path) -> StateDir {
    StateDir::open(path, OPTIONS, Duration::ZERO).expect("the directory")
}

fn read(log: &LogStore) -> Vec<u64> {
    let mut read = Vec::new();
    let report = log.read(&mut |record| match record {
        Record::Push(push) => read.push(push.seq),
        other => panic!("{other:?}"),
    });
    assert!(!report.expect("files").may_have_lost);
    read
}

fn start(log: &LogStore) -> Arc<Owner> {
    let owner = Arc::new(Owner::default());
    let source: Arc<dyn SnapshotSource> = owner.clone();
    log.start(vec![Arc::downgrade(&source) as Weak<dyn SnapshotSource>])
        .expect("threads");
    owner
}

#[test]
fn what_is_appended_is_written_and_read_by_the_next_process() {
    let dir = Dir::new();
    {
        let state = open(&dir.0);
        assert!(read(&state.log).is_empty());
        let _owner = start(&state.log);
        let (sender, answers) = mpsc::sync_channel(100);
        for number in 0..100 {
            let sender = sender.clone();
            let written = move |result| sender.send((number, result)).expect("room");
            state
                .log
                .append(record(number), Written::call(written))
                .expect("room");
        }
        for number in 0..100 {
            assert_eq!(answers.recv_timeout(SOON), Ok((number, Ok(()))));
        }
        state.close();
        assert!(state.log.append(record(1), Written::call(|_| {})).is_err());
    }
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&dir.0), 0o700);
    for entry in fs::read_dir(&dir.0).expect("there") {
        assert_eq!(mode(&entry.expect("a file").path()), 0o600);
    }
    let state = open(&dir.0);
    assert_eq!(read(&state.log), (0..100).collect::<Vec<_>>());
}

// Two processes that write in one directory would each cut what the other wrote.
#[test]
fn a_directory_in_use_is_refused_with_the_id_of_its_process() {
    let dir = Dir::new();
    let state = open(&dir.0);
    let again = StateDir::open(&dir.0, OPTIONS, Duration::from_millis(50));
    let id = std::process::id();
    match again.err() {
        Some(StateError::Held { pid, .. }) => assert_eq!(pid, id),
        other => panic!("{other:?}"),
    }
    let shown = summarize(&dir.0, OPTIONS)
        .err()
        .expect("in use")
        .to_string();
    assert!(shown.contains(&format!("process {id}")), "{shown}");
    state.close();
    let other = open(&dir.0);
    drop(state);
    assert!(StateDir::open(&dir.0, OPTIONS, Duration::ZERO).is_err());
    drop(other);
    open(&dir.0);
}

// Whoever is told last may hold the log last, and lets it go on the log's own thread.
#[test]
fn a_log_may_be_let_go_by_whom_it_tells() {
    let dir = Dir::new();
    let log = {
        let state = open(&dir.0);
        state.log.start(Vec::new()).expect("threads");
        state.log.clone()
    };
    let (sender, answers) = mpsc::sync_channel(1);
    let (inner, weak) = (log.clone(), Arc::downgrade(&log));
    let (go, gone) = mpsc::sync_channel(1);
    let written = move |result| {
        gone.recv_timeout(SOON).expect("the others let go");
        drop(inner);
        sender.send(result).expect("room");
    };
    log.append(record(1), Written::call(written)).expect("room");
    drop(log);
    go.send(()).expect("room");
    assert_eq!(answers.recv_timeout(SOON), Ok(Ok(())));
    assert!(weak.upgrade().is_none());
}

fn revocation(user: &str) -> Record {
    let subject = RevocationSubject::User(user.to_string());
    Record::Revocation(Box::new(Revocation {
        subject,
        until: Some(u64::MAX),
        issued_before: 0,
    }))
}

fn write(log: &LogStore, record: Record) {
    let (sender, answers) = mpsc::sync_channel(1);
    let written = move |result| sender.send(result).expect("room");
    log.append(record, Written::call(written)).expect("room");
    assert_eq!(answers.recv_timeout(SOON), Ok(Ok(())));
}

// Whoever was taken back comes in again where their file cannot be read, so that is for a person to
// decide, who must find out what to do.
#[test]
fn damaged_revocations_end_the_start_until_they_are_dropped() {
    let dir = Dir::new();
    {
        let state = open(&dir.0);
        state.revocations.start(Vec::new()).expect("threads");
        write(&state.revocations, revocation("mallory"));
        write(&state.revocations, revocation("trudy"));
        state.close();
    }
    let file = dir.0.join("revocations-0000000001.log");
    let mut bytes = fs::read(&file).expect("there");
    let at = bytes
        .windows(7)
        .position(|text| text == b"mallory")
        .expect("the name");
    bytes[at] ^= 1;
    fs::write(&file, bytes).expect("written");
    let error = open(&dir.0)
        .revocations
        .read(&mut |_| {})
        .expect_err("damage")
        .to_string();
    assert!(error.contains("--drop revocations"), "{error}");
    let summary = summarize(&dir.0, OPTIONS).expect("free");
    assert!(!summary.is_whole());
    assert_eq!(drop_revocations(&dir.0, OPTIONS).expect("free"), 1);
    let state = open(&dir.0);
    let report = state.revocations.read(&mut |record| panic!("{record:?}"));
    assert!(!report.expect("nothing").may_have_lost);
    assert!(dir.0.join("revocations-0000000001.log.damaged").exists());
}

#[test]
fn a_stopped_node_says_what_it_keeps() {
    let dir = Dir::new();
    assert!(
        summarize(&dir.0, OPTIONS).is_err(),
        "nothing is made for one that only looks"
    );
    {
        let state = open(&dir.0);
        state.log.start(Vec::new()).expect("threads");
        state.revocations.start(Vec::new()).expect("threads");
        for number in 0..3 {
            write(&state.log, record(number));
        }
        let key = KeyRecord {
            id: 7,
            owner: 0,
            expires_ms: u64::MAX,
            position: None,
        };
        write(&state.log, Record::Key(key));
        write(&state.revocations, revocation("mallory"));
        state.close();
    }
    let summary = summarize(&dir.0, OPTIONS).expect("free");
    assert!(summary.is_whole());
    let text = summary.to_string();
    for line in [
        "state        whole",
        "channels     0, 0 with history",
        "keys         1",
        "revocations  1",
        "pushes       3, polls 0",
    ] {
        assert!(
            text.lines().any(|one| one == line),
            "{line:?} is not in\n{text}"
        );
    }
}

#[test]
fn histories_fit_into_the_bytes_of_the_files() {
    assert_eq!(history_bound((64 << 20) + 2_500), 1_000);
    assert_eq!(history_bound(1), 0);
}

/// Written by the first version, and never changed since.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/state/v1")
}

// Who updates comes with the files of before. Whatever the format becomes, these must be read as
// they were meant.
#[test]
fn a_directory_of_version_1_is_read_for_ever() {
    if std::env::var_os("FANFARE_BLESS").is_some() && !committed().exists() {
        make_a_directory_of_this_version();
    }
    let dir = Dir::new();
    fs::create_dir(&dir.0).expect("made");
    let files = fs::read_dir(committed()).expect("there");
    for file in files {
        let file = file.expect("a file");
        fs::copy(file.path(), dir.0.join(file.file_name())).expect("copied");
    }
    let state = open(&dir.0);
    let mut records = Vec::new();
    let log = state
        .log
        .read(&mut |record| records.push(format!("{record:?}")));
    let revocations = state
        .revocations
        .read(&mut |record| records.push(format!("{record:?}")));
    assert!(!log.expect("files").may_have_lost);
    assert!(!revocations.expect("files").may_have_lost);
    let expected: Vec<String> = super::version_1::records()
        .iter()
        .map(|record| format!("{record:?}"))
        .collect();
    assert_eq!(records, expected);
}

/// Makes the committed directory, once for each version of the format: where there is none, by
/// `FANFARE_BLESS=1 cargo test --lib state::tests::real`.
fn make_a_directory_of_this_version() {
    let dir = Dir::new();
    {
        let state = open(&dir.0);
        state.log.start(Vec::new()).expect("threads");
        state.revocations.start(Vec::new()).expect("threads");
        for record in super::version_1::records() {
            let is_revocation = matches!(record, Record::Revocation(_));
            write(
                if is_revocation {
                    &state.revocations
                } else {
                    &state.log
                },
                record,
            );
        }
        state.close();
    }
    fs::create_dir_all(committed()).expect("made");
    for name in ["0000000001.log", "revocations-0000000001.log"] {
        fs::copy(dir.0.join(name), committed().join(name)).expect("copied");
    }
}

// A writer that hangs, in a disk or in a lock, took records in until the queue was full, and /ready
// said 200 until then. It has a pulse as the other threads, until it is closed.
#[test]
fn a_writer_that_hangs_is_told_from_one_that_lives_and_one_that_has_ended() {
    let (dir, liveness) = (Dir::new(), Liveness::default());
    let state = open(&dir.0);
    state.watched_by(&liveness);
    let _owner = start(&state.log);
    state.revocations.start(Vec::new()).expect("threads");
    let (release, released) = mpsc::sync_channel::<()>(1);
    let hangs = move |_| {
        let _ = released.recv_timeout(SOON);
    };
    state
        .log
        .append(record(1), Written::call(hangs))
        .expect("room");
    let limit = Duration::from_secs(3);
    let stuck = || liveness.stuck(limit, Instant::now());
    let until = |expected: &[&str]| {
        let deadline = Instant::now() + SOON;
        while stuck() != expected {
            assert!(Instant::now() < deadline, "{:?}", stuck());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    };
    until(&["state"]);
    release.send(()).expect("it waits");
    until(&[]);
    state.close();
    let later = Instant::now() + limit * 10;
    assert_eq!(liveness.stuck(limit, later), Vec::<String>::new());
}
