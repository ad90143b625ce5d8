//! The heartbeat and the wheel at given times.

use super::*;

const CONFIG: HeartbeatConfig = HeartbeatConfig {
    ping_interval: Duration::from_secs(25),
    pong_timeout: Duration::from_secs(8),
};

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn a_client_that_answers_is_pinged_at_even_intervals() {
    let start = Instant::now();
    let mut heartbeat = Heartbeat::start(start, Duration::from_secs(3));
    assert_eq!(
        heartbeat.poll(start, &CONFIG, false),
        HeartbeatAction::Wait(after(start, 3))
    );
    assert_eq!(
        heartbeat.poll(after(start, 3), &CONFIG, false),
        HeartbeatAction::Ping
    );
    heartbeat.ping_left(after(start, 3));
    heartbeat.on_activity(&CONFIG);
    assert_eq!(
        heartbeat.poll(after(start, 4), &CONFIG, false),
        HeartbeatAction::Wait(after(start, 28))
    );
}

#[test]
fn a_client_that_is_silent_after_a_ping_is_dead_after_the_timeout() {
    let start = Instant::now();
    let mut heartbeat = Heartbeat::start(start, Duration::ZERO);
    assert_eq!(heartbeat.poll(start, &CONFIG, false), HeartbeatAction::Ping);
    heartbeat.ping_left(after(start, 1));
    assert_eq!(
        heartbeat.poll(after(start, 8), &CONFIG, false),
        HeartbeatAction::Wait(after(start, 9))
    );
    assert_eq!(
        heartbeat.poll(after(start, 9), &CONFIG, false),
        HeartbeatAction::Dead
    );
}

#[test]
fn a_ping_that_could_not_leave_kills_nobody() {
    let start = Instant::now();
    let mut heartbeat = Heartbeat::start(start, Duration::ZERO);
    assert_eq!(heartbeat.poll(start, &CONFIG, false), HeartbeatAction::Ping);
    assert!(matches!(
        heartbeat.poll(after(start, 60), &CONFIG, false),
        HeartbeatAction::Wait(_)
    ));
}

#[test]
fn nobody_is_dead_while_we_do_not_read() {
    let start = Instant::now();
    let mut heartbeat = Heartbeat::start(start, Duration::ZERO);
    assert_eq!(heartbeat.poll(start, &CONFIG, false), HeartbeatAction::Ping);
    heartbeat.ping_left(start);
    for seconds in 1..24 {
        let action = heartbeat.poll(after(start, seconds), &CONFIG, true);
        assert!(matches!(action, HeartbeatAction::Wait(_)), "{action:?}");
    }
    // Reading goes on: from the last look on, the client has the whole of the timeout.
    let life = HeartbeatAction::Wait(after(start, 31));
    assert_eq!(heartbeat.poll(after(start, 24), &CONFIG, false), life);
    let late = heartbeat.poll(after(start, 31), &CONFIG, false);
    assert_eq!(late, HeartbeatAction::Dead);
}

/// A session that waited for its backend got no ping in all that time, so a proxy with a
/// shorter timeout than the backend's cut it, and the answer never arrived. Pings go on at
/// their interval while nothing is read.
#[test]
fn pings_go_on_while_we_do_not_read() {
    let start = Instant::now();
    let mut heartbeat = Heartbeat::start(start, Duration::ZERO);
    let mut pings = 0;
    for seconds in 0..=100 {
        if heartbeat.poll(after(start, seconds), &CONFIG, true) == HeartbeatAction::Ping {
            heartbeat.ping_left(after(start, seconds));
            pings += 1;
        }
    }
    assert_eq!(pings, 5, "at 0, 25, 50, 75 and 100 s");
}

#[test]
fn the_wheel_hands_back_each_key_once_and_never_early() {
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    // Far more than one round of the wheel, in a scattered order.
    let mut expected: Vec<(u64, u32)> = (0..5_000u32)
        .map(|k| ((u64::from(k) * 7919) % 200_000, k))
        .collect();
    for &(ms, k) in &expected {
        wheel.insert(start + Duration::from_millis(ms), k);
    }
    expected.sort_unstable();
    let mut seen = Vec::new();
    let mut due = Vec::new();
    for step in 0..=(200_000 / 50 + 1) {
        let now = start + TICK * step;
        wheel.expire(now, &mut due);
        for k in due.drain(..) {
            let at = start + Duration::from_millis((u64::from(k) * 7919) % 200_000);
            assert!(at <= now, "key {k} came early");
            assert!(now - at < TICK * 2, "key {k} came late");
            seen.push(k);
        }
    }
    assert_eq!(seen.len(), expected.len());
    assert!(wheel.is_empty());
}

#[test]
fn after_a_sleep_of_the_machine_everything_due_comes_at_once() {
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    for k in 0..100u32 {
        wheel.insert(start + Duration::from_secs(u64::from(k)), k);
    }
    let mut due = Vec::new();
    wheel.expire(start + Duration::from_secs(3600), &mut due);
    assert_eq!(due.len(), 100);
    wheel.insert(start, 7);
    due.clear();
    wheel.expire(start + Duration::from_secs(3601), &mut due);
    assert_eq!(due, [7]);
}

/// Each slot of the wheel kept the room of the largest burst that ever fell on it, up to a thousand
/// entries: memory grew until all slots had had theirs.
#[test]
fn a_slot_gives_the_room_of_a_burst_back_when_that_is_over() {
    let start = Instant::now();
    let mut wheel = Wheel::new(start);
    let room = |wheel: &Wheel<u32>| wheel.slots.iter().map(Vec::capacity).sum::<usize>();
    for key in 0..500 {
        wheel.insert(after(start, 1), key);
    }
    // In the same slot, a round later.
    let round = TICK * SLOTS as u32;
    wheel.insert(after(start, 1) + round, 500);
    assert!(room(&wheel) >= 501);
    let mut due = Vec::new();
    wheel.expire(after(start, 2), &mut due);
    assert_eq!(due.len(), 500);
    assert!(room(&wheel) <= 4, "{}", room(&wheel));
    wheel.expire(after(start, 2) + round, &mut due);
    assert_eq!((due.len(), room(&wheel)), (501, 0));
}

/// Sessions that came together were pinged at any point of the interval, also in the first moment,
/// where the ping can only be noise: a client that has just come lives. The first half is free of
/// it.
#[test]
fn the_first_ping_comes_in_the_second_half_of_the_interval() {
    let config = HeartbeatConfig {
        ping_interval: Duration::from_secs(25),
        pong_timeout: Duration::from_secs(8),
    };
    assert_eq!(config.first_ping(0.0), Duration::from_millis(12_500));
    assert_eq!(config.first_ping(0.5), Duration::from_millis(18_750));
    assert!(config.first_ping(0.999) < config.ping_interval);
}
