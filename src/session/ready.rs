//! Futures that are mostly ready: what a broker in this process answers, and what no rule asks
//! anyone about.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// The answer of a future that does not wait; else the future, begun.
pub(super) fn now_or_later<F: Future + Unpin>(mut future: F) -> Result<F::Output, F> {
    match pin!(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(future),
    }
}
