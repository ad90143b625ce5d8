//! What the log names beside itself, in the same shape and no more.

pub mod broker {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Version {
        pub number: u64,
        pub epoch: String,
    }
}

pub mod registry {
    pub type ChannelName = std::sync::Arc<str>;
}

pub mod logger {
    pub(crate) fn abort(message: std::fmt::Arguments<'_>) -> ! {
        eprintln!("{message}");
        std::process::abort()
    }
}

pub mod config {
    use std::time::Duration;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SyncPolicy {
        Always,
        Every(Duration),
        Never,
    }

    pub struct State {
        pub sync: SyncPolicy,
        pub queue: usize,
        pub queue_bytes: usize,
    }

    impl State {
        pub fn bytes_max(&self, history_bytes: usize) -> usize {
            history_bytes
        }
    }

    pub struct Limits {
        pub history_bytes: usize,
    }

    pub struct Settings {
        pub state: State,
        pub limits: Limits,
    }
}

pub mod protocol {
    use bytes::Bytes;

    pub use crate::tags::Tags;

    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct ClientInfo {
        pub user: String,
        pub client: String,
        pub conn_info: Bytes,
        pub chan_info: Bytes,
    }
}

pub mod publication {
    use std::sync::Arc;

    use bytes::Bytes;
    use bytestring::ByteString;

    use super::protocol::{ClientInfo, Tags};

    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Payload {
        Text(ByteString),
        Binary(Bytes),
    }

    impl Payload {
        pub fn as_bytes(&self) -> &[u8] {
            match self {
                Self::Text(text) => text.as_bytes(),
                Self::Binary(bytes) => bytes,
            }
        }
    }

    #[derive(Debug)]
    pub struct Item {
        pub payload: Payload,
        pub offset: u64,
        pub follows: u64,
        pub info: Option<Arc<ClientInfo>>,
        pub tags: Option<Arc<Tags>>,
        json: std::sync::OnceLock<u8>,
    }

    impl Item {
        pub fn new(payload: Payload, offset: u64) -> Self {
            let json = std::sync::OnceLock::new();
            let follows = offset.saturating_sub(1);
            Self {
                payload,
                offset,
                follows,
                info: None,
                tags: None,
                json,
            }
        }

        /// As the server charges it.
        pub fn weight(&self) -> usize {
            self.payload.as_bytes().len() + size_of::<Self>() + 16 + 16 + 24 + 2 * 16
        }
    }
}
