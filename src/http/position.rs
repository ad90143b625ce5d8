//! Where a publication stands, as the API and `/send` answer it.

use serde::Serialize;

use crate::broker::PublishResult;

/// `offset` and `epoch` where there is history, and `channel` where there are several.
#[derive(Serialize)]
pub(super) struct PublishPosition<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

impl<'a> PublishPosition<'a> {
    /// That of the only one.
    pub(super) fn of(published: &PublishResult) -> Self {
        let position = published.position;
        Self {
            channel: None,
            offset: position.map(|position| position.offset),
            epoch: position.map(|position| position.epoch.to_string()),
        }
    }

    /// That of one of several.
    pub(super) fn in_channel(channel: &'a str, published: &PublishResult) -> Self {
        Self {
            channel: Some(channel),
            ..Self::of(published)
        }
    }
}
