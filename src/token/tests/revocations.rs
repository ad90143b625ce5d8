//! What was taken back no longer counts, for as long as was said, and within bounds.

use proptest::prelude::*;

use super::{
    super::revocations::{
        BYTES_MAX, ENTRY_BYTES, InvalidatedTokens, NAME_BYTES_MAX, PURGE_MAX, TokenFacts,
    },
    *,
};
use crate::{
    store::{Record, SnapshotSource as _, StoreError},
    testing::store::ScriptedStore,
};

fn token(claims: &Value) -> String {
    Signer::hmac(SECRET).token(claims)
}

/// Tokens of user 42 that were issued before 50.
fn of_42(channel: Option<String>, until: Option<u64>) -> InvalidatedTokens<'static> {
    InvalidatedTokens {
        user: "42",
        channel,
        issued_before: 50,
        until,
    }
}

/// A token of nobody with this id, issued in 1970.
fn revoked_by(id: &str) -> TokenFacts<'_> {
    TokenFacts {
        user: "nobody",
        channel: None,
        id: Some(id),
        issued_at: Some(0),
    }
}

/// Outcomes for one token as time goes by.
struct TokenNode(Tokens);

impl TokenNode {
    fn new() -> Self {
        Self(Tokens::new(&with_secret(SECRET)).unwrap())
    }

    fn connect(&self, claims: &Value, now: u64) -> Result<(), TokenError> {
        ready(self.0.connection(&token(claims), at(now))).map(drop)
    }

    fn subscribe(&self, claims: &Value, now: u64) -> Result<(), TokenError> {
        ready(self.0.subscription(&token(claims), at(now))).map(drop)
    }
}

#[test]
fn a_blocked_user_has_no_token_that_counts() {
    let node = TokenNode::new();
    let revocations = node.0.revocations();
    let _ = revocations.block_user_at("42", Some(100), 10).unwrap();
    let (blocked, other) = (json!({"sub": "42"}), json!({"sub": "43"}));
    let of_channel = json!({"sub": "42", "channel": "a"});
    assert_eq!(node.connect(&blocked, 99), Err(TokenError::Blocked));
    assert_eq!(node.subscribe(&of_channel, 99), Err(TokenError::Blocked));
    assert_eq!(node.connect(&other, 99), Ok(()));
    assert_eq!(node.connect(&blocked, 100), Ok(()));
    assert!(revocations.is_blocked_at("42", 99) && !revocations.is_blocked_at("42", 100));

    let _ = revocations.block_user("42", None).unwrap();
    assert!(revocations.is_blocked("42"));
    assert_eq!(
        node.connect(&blocked, u64::MAX >> 2),
        Err(TokenError::Blocked)
    );
    let _ = revocations.unblock_user("42").unwrap();
    assert!(!revocations.is_blocked("42"));
    assert_eq!(node.connect(&blocked, 99), Ok(()));
    assert!(revocations.is_empty());
}

#[test]
fn the_last_word_about_a_user_counts() {
    let revocations = Revocations::default();
    let _ = revocations.block_user_at("42", None, 0).unwrap();
    let _ = revocations.block_user_at("42", Some(100), 0).unwrap();
    assert!(revocations.is_blocked_at("42", 99) && !revocations.is_blocked_at("42", 100));
    // An end that has passed is no block.
    let _ = revocations.block_user_at("42", Some(50), 60).unwrap();
    assert!(!revocations.is_blocked_at("42", 60));
    assert!(revocations.is_empty());
}

#[test]
fn a_revoked_token_is_known_by_its_id() {
    let node = TokenNode::new();
    let revocations = node.0.revocations();
    let _ = revocations.revoke_token_at("t1", Some(100), 10).unwrap();
    // Nothing is taken back by an earlier end.
    let _ = revocations.revoke_token_at("t1", Some(50), 10).unwrap();
    let one = json!({"sub": "42", "jti": "t1", "iat": 90});
    assert_eq!(node.connect(&one, 99), Err(TokenError::Revoked));
    let of_channel = json!({"sub": "42", "jti": "t1", "channel": "a"});
    assert_eq!(node.subscribe(&of_channel, 99), Err(TokenError::Revoked));
    assert_eq!(node.connect(&json!({"sub": "42", "jti": "t2"}), 99), Ok(()));
    assert_eq!(node.connect(&json!({"sub": "42"}), 99), Ok(()));
    assert_eq!(node.connect(&one, 100), Ok(()));
}

#[test]
fn tokens_of_a_user_are_invalidated_by_their_age() {
    let node = TokenNode::new();
    let revocations = node.0.revocations();
    let _ = revocations
        .invalidate_user_tokens_at(of_42(None, Some(100)), 10)
        .unwrap();
    let issued = |at: u64| json!({"sub": "42", "iat": at});
    assert_eq!(node.connect(&issued(49), 60), Err(TokenError::Invalidated));
    assert_eq!(node.connect(&issued(50), 60), Ok(()));
    // Without a time nothing shows that it is younger.
    assert_eq!(
        node.connect(&json!({"sub": "42"}), 60),
        Err(TokenError::Invalidated)
    );
    let of_channel = json!({"sub": "42", "iat": 49, "channel": "a"});
    assert_eq!(
        node.subscribe(&of_channel, 60),
        Err(TokenError::Invalidated)
    );
    assert_eq!(node.connect(&json!({"sub": "43", "iat": 49}), 60), Ok(()));
    assert_eq!(node.connect(&issued(49), 100), Ok(()));
}

#[test]
fn tokens_of_one_channel_are_invalidated_alone() {
    let node = TokenNode::new();
    let channel = Some("a".to_string());
    let _ = node
        .0
        .revocations()
        .invalidate_user_tokens_at(of_42(channel, None), 10)
        .unwrap();
    let issued = |channel: &str, at: u64| json!({"sub": "42", "iat": at, "channel": channel});
    assert_eq!(
        node.subscribe(&issued("a", 49), 60),
        Err(TokenError::Invalidated)
    );
    assert_eq!(node.subscribe(&issued("a", 50), 60), Ok(()));
    assert_eq!(node.subscribe(&issued("b", 49), 60), Ok(()));
    assert_eq!(node.connect(&json!({"sub": "42", "iat": 49}), 60), Ok(()));
}

#[test]
fn an_expired_token_is_expired_first() {
    let node = TokenNode::new();
    let _ = node.0.revocations().block_user("42", None).unwrap();
    let claims = json!({"sub": "42", "exp": 50});
    assert_eq!(node.connect(&claims, 60), Err(TokenError::Expired));
}

#[test]
fn names_have_bounds() {
    let revocations = Revocations::default();
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let empty = Err(RevocationError::Empty);
    assert_eq!(revocations.block_user("", None).map(drop), empty);
    assert_eq!(revocations.revoke_token("", None).map(drop), empty);
    assert_eq!(
        revocations
            .invalidate_user_tokens("", 1, None, None)
            .map(drop),
        empty
    );
    let too_long = Err(RevocationError::TooLong);
    assert_eq!(revocations.block_user(&long, None).map(drop), too_long);
    assert_eq!(
        revocations
            .invalidate_user_tokens("42", 1, Some(long), None)
            .map(drop),
        too_long
    );
    assert!(revocations.is_empty());
}

#[test]
fn when_full_entries_are_refused_until_others_expire() {
    let revocations = Revocations::default();
    let name = |index: usize| format!("{index:0>NAME_BYTES_MAX$}");
    let count = BYTES_MAX / (ENTRY_BYTES + 2 * NAME_BYTES_MAX);
    for index in 0..count {
        let until = if index < 10 { Some(100) } else { None };
        let _ = revocations.block_user_at(&name(index), until, 10).unwrap();
    }
    let full = Err(RevocationError::Full);
    assert_eq!(
        revocations.block_user_at(&name(count), None, 99).map(drop),
        full
    );
    // What is known already may change.
    assert_eq!(
        revocations
            .block_user_at(&name(20), Some(200), 99)
            .map(drop),
        Ok(())
    );
    assert_eq!(revocations.len(), count);
    assert_eq!(
        revocations.block_user_at(&name(count), None, 100).map(drop),
        Ok(())
    );
    assert_eq!(revocations.len(), count - 9);
}

// What is over is kept for a clock that is ahead, and must not keep out what counts: a backend may
// take back many tokens that have just expired.
#[test]
fn when_full_what_is_over_gives_way_and_is_not_refused() {
    let (revocations, store) = (Revocations::default(), Arc::new(ScriptedStore::default()));
    revocations.write_to(store);
    let name = |index: usize| format!("{index:0>NAME_BYTES_MAX$}");
    let count = BYTES_MAX / (ENTRY_BYTES + 2 * NAME_BYTES_MAX);
    for index in 0..count + 10 {
        let over = revocations.block_user_at(&name(index), Some(100), 200);
        assert_eq!(over.map(drop), Ok(()));
    }
    assert!(revocations.len() <= count);
    for index in count + 10..count + 20 {
        let counts = revocations.block_user_at(&name(index), None, 200);
        assert_eq!(counts.map(drop), Ok(()));
        assert!(revocations.is_blocked_at(&name(index), 200));
    }
}

#[test]
fn a_change_removes_what_has_expired_but_never_much() {
    let revocations = Revocations::default();
    for index in 0..3 * PURGE_MAX {
        let _ = revocations
            .revoke_token_at(&index.to_string(), Some(100), 10)
            .unwrap();
    }
    let _ = revocations.revoke_token_at("a", None, 200).unwrap();
    assert_eq!(revocations.len(), 2 * PURGE_MAX + 1);
    let _ = revocations.revoke_token_at("b", None, 200).unwrap();
    let _ = revocations.revoke_token_at("c", None, 200).unwrap();
    assert_eq!(revocations.len(), 3);
}

/// Something said at a time.
#[derive(Clone, Debug)]
enum RevocationStep {
    Block(u8, Option<u64>),
    Unblock(u8),
    Revoke(u8, Option<u64>),
    Wait(u64),
}

fn step() -> impl Strategy<Value = RevocationStep> {
    let end = proptest::option::of(0..60u64);
    prop_oneof![
        (0..4u8, end.clone()).prop_map(|(name, end)| RevocationStep::Block(name, end)),
        (0..4u8).prop_map(RevocationStep::Unblock),
        (0..4u8, end).prop_map(|(name, end)| RevocationStep::Revoke(name, end)),
        (0..10u64).prop_map(RevocationStep::Wait),
    ]
}

proptest! {
    /// Against lists of everything ever said.
    #[test]
    fn it_is_as_a_list_of_everything_said(steps in proptest::collection::vec(step(), 0..60)) {
        let revocations = Revocations::default();
        let (mut blocks, mut revoked) = ([0u64; 4], [0u64; 4]);
        let mut now = 0;
        for step in steps {
            match step {
                RevocationStep::Block(name, end) => {
                    let _ = revocations.block_user_at(&name.to_string(), end, now);
                    blocks[usize::from(name)] = end.unwrap_or(u64::MAX);
                }
                RevocationStep::Unblock(name) => {
                    let _ = revocations.unblock_user(&name.to_string());
                    blocks[usize::from(name)] = 0;
                }
                RevocationStep::Revoke(name, end) => {
                    let _ = revocations.revoke_token_at(&name.to_string(), end, now);
                    let known = &mut revoked[usize::from(name)];
                    *known = (*known).max(end.unwrap_or(u64::MAX));
                }
                RevocationStep::Wait(time) => now += time,
            }
            for name in 0..4u8 {
                let index = usize::from(name);
                let name = name.to_string();
                prop_assert_eq!(revocations.is_blocked_at(&name, now), now < blocks[index]);
                let outcome = revocations.check(&revoked_by(&name), now);
                prop_assert_eq!(outcome.is_err(), now < revoked[index]);
            }
        }
        // Whatever is over goes with the next change.
        let _ = revocations.block_user_at("9", None, 1000).unwrap();
        let lasting = |ends: [u64; 4]| ends.iter().filter(|end| **end == u64::MAX).count();
        prop_assert_eq!(revocations.len(), 1 + lasting(blocks) + lasting(revoked));
    }
}

/// What a process after this one makes of the records.
fn again(records: impl IntoIterator<Item = Record>) -> Revocations {
    let revocations = Revocations::default();
    for record in records {
        match record {
            Record::Revocation(one) => revocations.restore(*one),
            other => panic!("{other:?}"),
        }
    }
    revocations
}

// A revocation that waited for the disk would let a stolen token in meanwhile, and one that is
// answered before it is written is forgotten by a kill. It counts at once and is answered once it
// is written.
#[tokio::test]
async fn a_change_counts_at_once_and_is_answered_once_it_is_written() {
    let (revocations, store) = (Revocations::default(), Arc::new(ScriptedStore::default()));
    revocations.write_to(store.clone());
    let receipt = revocations.block_user("42", None).expect("noted");
    assert!(revocations.is_blocked("42"));
    let waiting = tokio::time::timeout(Duration::ZERO, receipt.kept());
    assert!(waiting.await.is_err(), "it is not written");
    let receipt = revocations.revoke_token("t1", None).expect("noted");
    store.write(usize::MAX);
    assert_eq!(receipt.kept().await, Ok(()));

    let failing = revocations.block_user("43", None).expect("noted");
    store.fail(StoreError::NotWritten);
    assert_eq!(failing.kept().await, Err(RevocationError::NotKept));
    assert!(revocations.is_blocked("43"), "it counts all the same");
    store.refuse(Some(StoreError::Full));
    let refused = revocations.block_user("44", None).expect("noted");
    assert_eq!(refused.kept().await, Err(RevocationError::NotKept));
    assert!(revocations.is_blocked("44"));
    let restored = again(store.records());
    assert!(restored.is_blocked("42") && !restored.is_blocked("43"));
    let snapshot = again(revocations.snapshot().flatten());
    assert!(["42", "43", "44"].map(|user| snapshot.is_blocked(user)) == [true; 3]);
    assert!(snapshot.check_connection("1", Some("t1"), Some(1)).is_err());
}

// A clock that was an hour ahead seemed to end a block, and the files forgot it before the clock
// was set right. An entry is judged by the clock, but goes only a day after its end.
#[test]
fn a_clock_that_was_ahead_costs_no_block() {
    let (revocations, store) = (Revocations::default(), Arc::new(ScriptedStore::default()));
    revocations.write_to(store.clone());
    let _ = revocations.block_user_at("42", Some(1000), 10).unwrap();
    let ahead = 1000 + 3600;
    let _ = revocations.block_user_at("43", None, ahead).unwrap();
    assert!(!revocations.is_blocked_at("42", ahead));
    assert!(
        revocations.is_blocked_at("42", 900),
        "the clock is right again"
    );
    store.write(usize::MAX);
    for restored in [
        again(store.records()),
        again(revocations.snapshot().flatten()),
    ] {
        assert!(restored.is_blocked_at("42", 900));
    }
    let _ = revocations
        .block_user_at("44", None, 1000 + 86_400)
        .unwrap();
    assert!(!revocations.is_blocked_at("42", 900), "a day later it goes");
}

#[test]
fn what_was_unblocked_stays_so() {
    let (revocations, store) = (Revocations::default(), Arc::new(ScriptedStore::default()));
    revocations.write_to(store.clone());
    let _ = revocations.block_user("42", None).unwrap();
    let _ = revocations.unblock_user("42").unwrap();
    store.write(usize::MAX);
    assert!(!again(store.records()).is_blocked("42"));
    assert_eq!(store.lengths(), (2, 0));
}

// Where the end of a block could not be written, whoever said it again was told that it is done,
// though a kill would bring the block back. It is done once it is written.
#[tokio::test]
async fn the_end_of_a_block_that_is_said_again_is_answered_once_it_is_written() {
    let (revocations, store) = (Revocations::default(), Arc::new(ScriptedStore::default()));
    revocations.write_to(store.clone());
    let _ = revocations.block_user("42", None).unwrap();
    store.write(usize::MAX);
    let refused = revocations.unblock_user("42").unwrap();
    store.fail(StoreError::NotWritten);
    assert_eq!(refused.kept().await, Err(RevocationError::NotKept));
    let again_said = revocations.unblock_user("42").unwrap();
    let waiting = tokio::time::timeout(Duration::ZERO, again_said.kept());
    assert!(waiting.await.is_err(), "it is not written");
    assert!(again(store.records()).is_blocked("42"));
    let last = revocations.unblock_user("42").unwrap();
    store.write(usize::MAX);
    assert_eq!(last.kept().await, Ok(()));
    assert!(!again(store.records()).is_blocked("42"));
}

// A clock that was ahead took what was said for over already, and kept nothing of it. It is there
// when the clock is right, and what was said before is not taken back by it.
#[test]
fn what_is_said_while_the_clock_is_ahead_is_there_when_it_is_right() {
    let (revocations, store) = (Revocations::default(), Arc::new(ScriptedStore::default()));
    revocations.write_to(store.clone());
    let (right, ahead) = (900, 1000 + 3600);
    let _ = revocations.block_user_at("42", Some(1000), ahead).unwrap();
    let _ = revocations.revoke_token_at("t1", Some(2000), 10).unwrap();
    let _ = revocations
        .revoke_token_at("t1", Some(1000), ahead)
        .unwrap();
    assert!(!revocations.is_blocked_at("42", ahead));
    store.write(usize::MAX);
    for restored in [again(store.records()), revocations] {
        assert!(restored.is_blocked_at("42", right));
        let token = TokenFacts {
            user: "1",
            channel: None,
            id: Some("t1"),
            issued_at: Some(1),
        };
        assert!(restored.check(&token, 1500).is_err());
        assert!(restored.check(&token, 2000).is_ok());
    }
}
