//! How long a key is known, and whose room it takes.

use std::time::Duration;

use super::{bounds::KEY_BYTES, *};

const TTL: Duration = Duration::from_secs(300);

fn client(name: &str) -> Option<KeyOwner> {
    Some(KeyOwner::User(name.into()))
}

fn used(keys: &mut IdempotencyKeys, text: &str, owner: Option<&KeyOwner>, now: Instant) -> bool {
    let key = keys.id("news", &text.into());
    if keys.get(key, now).is_some() {
        return true;
    }
    let room = keys.take(owner);
    if let Ok(room) = room {
        keys.insert(ReservedKey { id: key, room }, None, now, now + TTL);
        return true;
    }
    false
}

// Beyond 16,384 keys of a channel the oldest was forgotten before its time, and a publication
// went out twice. A key is held for its time, or it is refused.
#[test]
fn a_key_is_held_for_its_time_and_what_has_no_room_is_refused() {
    let (start, bounds) = (Instant::now(), KeyBounds::new(20_000 * KEY_BYTES, 7));
    let mut keys = IdempotencyKeys::new(bounds.clone(), Arc::default());
    for number in 0..20_000 {
        assert!(used(&mut keys, &number.to_string(), None, start));
    }
    assert!(!used(&mut keys, "one more", None, start));
    assert_eq!(keys.take(None).err(), Some(BrokerError::KeysFull));
    let late = start + TTL - Duration::from_millis(1);
    keys.expire(late);
    for number in 0..20_000 {
        let key = keys.id("news", &number.to_string().as_str().into());
        assert!(keys.get(key, late).is_some(), "{number}");
    }
    let over = start + TTL;
    let key = keys.id("news", &"0".into());
    assert_eq!(keys.get(key, over), None, "expired, though not let go yet");
    for _ in 0..=20_000 / KEYS_A_TURN {
        keys.expire(over);
    }
    assert_eq!((bounds.bytes(), keys.used.known.capacity()), (0, 0));
}

// A client that brings keys must not take the room of others, nor that of the API.
#[test]
fn clients_have_half_of_the_room_and_one_of_them_a_hundredth() {
    let (now, bounds) = (Instant::now(), KeyBounds::new(1000 * KEY_BYTES, 7));
    let mut keys = IdempotencyKeys::new(bounds.clone(), Arc::default());
    let mut taken = |owner: Option<KeyOwner>, name: &str| {
        let all = 0..2000;
        let took = all.filter(|n| used(&mut keys, &format!("{name}{n}"), owner.as_ref(), now));
        took.count()
    };
    assert_eq!(taken(client("42"), "a"), 10);
    assert_eq!(taken(Some(KeyOwner::Address(None)), "b"), 10);
    let others = (0..100).map(|n| taken(client(&format!("u{n}")), &format!("{n}-")));
    assert_eq!(
        others.sum::<usize>(),
        480,
        "half of all, with the first two"
    );
    assert_eq!(taken(None, "api"), 500);
    assert_eq!(bounds.bytes(), 1000 * KEY_BYTES);
    assert_eq!(
        keys.take(client("new").as_ref()).err(),
        Some(BrokerError::TooManyKeys)
    );
    drop(keys);
    assert_eq!(bounds.bytes(), 0);
    assert!(
        bounds.owners().is_empty(),
        "nobody is remembered for nothing"
    );
}

#[test]
fn a_key_that_expired_can_be_used_anew() {
    let (start, bounds) = (Instant::now(), KeyBounds::new(100 * KEY_BYTES, 7));
    let mut keys = IdempotencyKeys::new(bounds.clone(), Arc::default());
    for round in 0..3 {
        let now = start + TTL * round;
        assert!(used(&mut keys, "k", None, now));
        let key = keys.id("news", &"k".into());
        assert!(keys.get(key, now).is_some());
        assert_eq!(bounds.bytes(), KEY_BYTES, "one key, {round}");
    }
}

// A table that a flood of keys had doubled stayed so, since room was given back only once nearly
// all of it was free. Sooner or later each lock had its flood, and memory grew by that for an hour.
#[test]
fn the_room_that_a_flood_of_keys_took_is_given_back_when_they_end() {
    // A table has room for 7 of 8 of a power of two.
    for (flood, others, large, small) in [(700, 600, 1792, 896), (200, 100, 448, 112)] {
        let (start, bounds) = (Instant::now(), KeyBounds::new(20_000 * KEY_BYTES, 7));
        let mut keys = IdempotencyKeys::new(bounds, Arc::default());
        let mut take = |name: &str, number: usize, now| {
            assert!((0..number).all(|n| used(&mut keys, &format!("{name}{n}"), None, now)));
            keys.used.known.capacity()
        };
        take("flood", flood, start);
        assert_eq!(take("others", others, start + TTL / 2), large);
        keys.expire(start + TTL);
        let left = (keys.used.known.len(), keys.used.known.capacity());
        assert_eq!(left, (others, small));
    }
}
