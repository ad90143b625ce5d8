//! Why a peer's bytes are refused: one variant for each reason, with the close code and the words
//! that go with it.
//!
//! Made by the decoder, put into a Close frame by the session. Each text fits into a Close reason
//! (123 bytes) and tells the client's author what to change. It must not quote what the peer sent,
//! beyond a number.

/// A breach of RFC 6455 or RFC 7692, or of the message limit. It ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The message would be, or became by inflating, larger than the limit. 1009.
    #[error("message over the limit of {limit} bytes")]
    MessageTooBig {
        /// The limit in bytes.
        limit: usize,
    },
    /// A reserved bit without a meaning here: RFC 6455 §5.2, and for RSV1 RFC 7692 §6.
    #[error("reserved bit set: no extension gives it a meaning on this frame")]
    ReservedBit,
    /// An opcode that RFC 6455 §5.2 reserves.
    #[error("unknown opcode {0}")]
    UnknownOpcode(u8),
    /// A client's frame must be masked (RFC 6455 §5.1).
    #[error("frame without a mask: a client must mask every frame")]
    Unmasked,
    /// A control frame over 125 bytes (RFC 6455 §5.5).
    #[error("control frame over 125 bytes")]
    ControlTooLong,
    /// A control frame without FIN (RFC 6455 §5.5).
    #[error("control frame in fragments")]
    ControlFragmented,
    /// A length written longer than needed (RFC 6455 §5.2).
    #[error("frame length not in its shortest form")]
    LengthNotMinimal,
    /// The highest bit of the 64-bit length is set (RFC 6455 §5.2).
    #[error("frame length with its highest bit set")]
    LengthHighBit,
    /// A continuation frame while no message is under way (RFC 6455 §5.4).
    #[error("continuation frame without a message to continue")]
    NothingToContinue,
    /// A new message before the fragmented one ended (RFC 6455 §5.4).
    #[error("new message inside a fragmented one")]
    MessageInsideMessage,
    /// A Close body of one byte, which cannot hold a code (RFC 6455 §5.5.1).
    #[error("close frame with half a code")]
    CloseCodeCut,
    /// A close code that must not stand on the wire (RFC 6455 §7.4).
    #[error("close code {0} must not be sent")]
    CloseCodeIllegal(u16),
    /// A close reason that is not UTF-8 (RFC 6455 §5.5.1). 1007.
    #[error("close reason is not valid UTF-8")]
    CloseReasonNotUtf8,
    /// A text that is not UTF-8 (RFC 6455 §8.1). 1007.
    #[error("text is not valid UTF-8")]
    TextNotUtf8,
    /// A compressed message that does not inflate (RFC 7692 §7.2.2). 1007, not 1002: the frames
    /// were right, their content is not what it claims to be, which is how RFC 6455 §7.4.1
    /// describes 1007.
    #[error("compressed message is not a valid deflate stream")]
    DeflateBroken,
}

impl ProtocolError {
    /// The code for the Close frame (RFC 6455 §7.4.1): 1002, 1007 or 1009.
    #[must_use]
    pub const fn close_code(&self) -> u16 {
        match self {
            Self::MessageTooBig { .. } => 1009,
            Self::CloseReasonNotUtf8 | Self::TextNotUtf8 | Self::DeflateBroken => 1007,
            Self::ReservedBit
            | Self::UnknownOpcode(_)
            | Self::Unmasked
            | Self::ControlTooLong
            | Self::ControlFragmented
            | Self::LengthNotMinimal
            | Self::LengthHighBit
            | Self::NothingToContinue
            | Self::MessageInsideMessage
            | Self::CloseCodeCut
            | Self::CloseCodeIllegal(_) => 1002,
        }
    }
}
