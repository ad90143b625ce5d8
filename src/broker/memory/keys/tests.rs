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
    assert_eq!((bounds.bytes(), keys.used.capacity()), (0, 0));
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

// A table that a flood of keys had doubled stayed so, since room was given back only once most of
// it was free. Sooner or later each lock had its flood, and memory grew by that for an hour.
#[test]
fn the_room_of_keys_is_what_they_need_and_a_quarter_before_and_after_a_flood() {
    let (start, bounds) = (Instant::now(), KeyBounds::new(20_000 * KEY_BYTES, 7));
    let mut keys = IdempotencyKeys::new(bounds, Arc::default());
    let take = |keys: &mut IdempotencyKeys, name: &str, number: usize, now| {
        assert!((0..number).all(|n| used(keys, &format!("{name}{n}"), None, now)));
    };
    take(&mut keys, "before", 300, start);
    let fits = |keys: &IdempotencyKeys| {
        let (len, room) = (keys.used.len(), keys.used.capacity());
        assert!(room <= len + len / 4 + 2, "{room} for {len}");
    };
    fits(&keys);
    take(&mut keys, "flood", 3000, start + TTL / 4);
    fits(&keys);
    take(&mut keys, "after", 300, start + TTL / 2);
    keys.expire(start + TTL);
    fits(&keys);
    for _ in 0..=3000 / KEYS_A_TURN {
        keys.expire(start + TTL + TTL / 4);
    }
    assert_eq!(keys.used.len(), 300);
    fits(&keys);
    // Those of a table that was given back are found as before.
    let now = start + TTL + TTL / 4;
    let known = |n: usize| keys.get(keys.id("news", &format!("after{n}").as_str().into()), now);
    assert!((0..300).all(|n| known(n).is_some()));
}

// The line is in the order of the ends; one that is out of order is no reason to know it twice.
#[test]
fn a_key_that_lies_behind_one_that_ends_later_can_be_used_anew() {
    let (start, bounds) = (Instant::now(), KeyBounds::new(100 * KEY_BYTES, 7));
    let mut keys = IdempotencyKeys::new(bounds.clone(), Arc::default());
    let insert = |keys: &mut IdempotencyKeys, name: &str, now, end| {
        let id = keys.id("news", &name.into());
        let room = keys.take(None).expect("room");
        keys.insert(ReservedKey { id, room }, None, now, end);
    };
    insert(&mut keys, "long", start, start + TTL * 4);
    insert(&mut keys, "short", start, start + TTL);
    insert(&mut keys, "short", start + TTL, start + TTL * 6);
    keys.expire(start + TTL * 4);
    let short = keys.id("news", &"short".into());
    assert!(keys.get(short, start + TTL * 5).is_some());
    assert_eq!((keys.used.len(), bounds.bytes()), (1, KEY_BYTES));
    keys.expire(start + TTL * 6);
    assert_eq!((keys.used.len(), bounds.bytes()), (0, 0));
}

// The charge is what bounds memory, so it is what a key takes at most, however many came and went
// before: its entry and its place in the index with all that both keep free, and a count of its
// owner's in a map that may be doubled and all but half empty.
#[test]
fn a_key_is_charged_what_it_takes_at_most() {
    let owner = (size_of::<(u64, usize)>() + 1) * 16 / 7;
    let (mut now, bounds) = (Instant::now(), KeyBounds::new(1 << 30, 7));
    let mut keys = IdempotencyKeys::new(bounds, Arc::default());
    for round in 0..400 {
        // Some hundreds to thousands at a time, up and down.
        for number in 0..round * round * 37 % 300 {
            assert!(used(&mut keys, &format!("{round} {number}"), None, now));
            let (len, bytes) = (keys.used.len(), keys.used.bytes());
            assert!(
                len < 200 || bytes + len * owner <= len * KEY_BYTES,
                "{bytes} for {len}"
            );
        }
        now += Duration::from_millis(round * 7919 % 20_000);
        keys.expire(now);
        let (len, bytes) = (keys.used.len(), keys.used.bytes());
        assert!(
            len < 200 || bytes + len * owner <= len * KEY_BYTES,
            "{bytes} for {len}"
        );
    }
}
