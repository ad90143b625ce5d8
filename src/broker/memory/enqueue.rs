//! From the broker to the shards: room is taken in every shard that listens before anything is sent to one.

use std::sync::Arc;

use crate::{
    broker::BrokerError,
    publication::Publication,
    shard::{Deliver, ShardHandle},
};

/// Takes room in every shard, or in none.
pub(super) fn reserve(shards: &[ShardHandle], weight: usize) -> Result<(), BrokerError> {
    for (index, shard) in shards.iter().enumerate() {
        if !shard.reserve(weight) {
            for reserved in &shards[..index] {
                reserved.release(weight);
            }
            return Err(BrokerError::Busy);
        }
    }
    Ok(())
}

/// Reserves room in every shard, then sends; without room in one of them, nothing is sent to any.
pub(super) fn enqueue(shards: &[ShardHandle], publication: Publication) -> Result<(), BrokerError> {
    reserve(shards, publication.weight())?;
    let publication = Arc::new(publication);
    for shard in shards {
        shard.addr().do_send(Deliver(publication.clone()));
    }
    Ok(())
}
