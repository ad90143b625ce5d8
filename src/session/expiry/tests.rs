//! What becomes of something whose end has come, by what the backend says of it.

use super::*;
use crate::{
    hooks::{HookFailure, Unavailable},
    protocol::ReplyError,
};

fn away() -> HookResult<RefreshAnswer> {
    Err(HookFailure::Unavailable(Unavailable::of_kind("timeout")))
}

#[test]
fn what_the_backend_lets_go_on_goes_on_unless_its_new_end_has_come_too() {
    let until = |expire_at, expired| RefreshAnswer {
        expired,
        expire_at,
        ..RefreshAnswer::default()
    };
    let ahead = Some(unix_now() + 60);
    for at in [None, ahead] {
        let answer = until(at, false);
        let verdict = RefreshVerdict::of(Ok(answer.clone()), 0);
        assert_eq!(verdict, RefreshVerdict::GoesOn(answer), "{at:?}");
    }
    for answer in [until(ahead, true), until(Some(unix_now()), false)] {
        assert_eq!(RefreshVerdict::of(Ok(answer), 0), RefreshVerdict::Over);
    }
    let refused = Err(HookFailure::Error(ReplyError::PERMISSION_DENIED));
    assert_eq!(RefreshVerdict::of(refused, 0), RefreshVerdict::Over);
}

#[test]
fn a_backend_that_is_away_is_asked_for_as_long_as_a_client_may_take_to_renew() {
    let verdicts = (0..).map(|tries| RefreshVerdict::of(away(), tries));
    let asked = verdicts
        .take_while(|verdict| *verdict == RefreshVerdict::AskAgain)
        .count();
    assert_eq!(u64::try_from(asked), Ok(GRACE_SECS / ASK_AGAIN.as_secs()));
}

// A subscription took no disconnect from the backend once it had been asked for long enough, a
// session did.
#[test]
fn a_disconnect_of_the_backend_counts_whenever_it_comes() {
    for tries in [0, 4, 5, 100] {
        let disconnect = Err(HookFailure::Disconnect {
            code: 4001,
            reason: "no".to_string(),
        });
        let close = Close::new(4001, "no");
        assert_eq!(
            RefreshVerdict::of(disconnect, tries),
            RefreshVerdict::Disconnect(close)
        );
    }
}

#[test]
fn a_timer_that_could_go_no_further_has_not_rung_for_the_end() {
    let now = unix_now();
    let is_due = |at| {
        let grace = GRACE;
        Term { at, grace }.is_due()
    };
    assert!(is_due(Some(now)) && is_due(Some(now.saturating_sub(9))));
    assert!(!is_due(Some(now + 60)) && !is_due(Some(u64::MAX)) && !is_due(None));
    assert_eq!(until(u64::MAX), AHEAD_MAX);
}
