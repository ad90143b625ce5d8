//! Says when a change is on the disk. Owned by whoever made the change.

use tokio::sync::oneshot;

use super::error::RevocationError;
use crate::store::{Record, Revocation, Store, StoreError, Written};

/// A change that counts, and may still have to be written.
#[derive(Debug)]
#[must_use = "what is to outlive a restart is answered once it is written"]
pub(crate) struct Receipt(Option<oneshot::Receiver<Result<(), StoreError>>>);

impl Receipt {
    /// Of a change that no disk is to hold.
    pub(super) fn nothing_to_write() -> Self {
        Self(None)
    }

    /// Has a change written.
    pub(super) fn of(store: &dyn Store, revocation: Revocation) -> Self {
        let (sender, written) = oneshot::channel();
        // Where it is not taken, the sender is dropped, which says so.
        let _ = store.append(
            Record::Revocation(Box::new(revocation)),
            Written::call(move |outcome| {
                let _ = sender.send(outcome);
            }),
        );
        Self(Some(written))
    }

    /// Waits until it is on the disk.
    ///
    /// # Errors
    /// [`RevocationError::NotKept`]: the disk did not take it, so that a restart may forget it.
    pub(crate) async fn kept(self) -> Result<(), RevocationError> {
        match self.0 {
            None => Ok(()),
            Some(written) => match written.await {
                Ok(Ok(())) => Ok(()),
                _ => Err(RevocationError::NotKept),
            },
        }
    }
}
