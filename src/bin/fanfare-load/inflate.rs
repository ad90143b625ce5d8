//! Messages that a server deflated (RFC 7692).

use flate2::{Decompress, FlushDecompress, Status};

use crate::frame::PAYLOAD_MAX;

/// What each message ends with and does not carry.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// A window, and the last message.
#[derive(Debug)]
pub(crate) struct Inflater {
    window: Decompress,
    /// The server keeps its window from message to message.
    keeps_window: bool,
    message: Vec<u8>,
}

impl Inflater {
    pub(crate) fn new(keeps_window: bool) -> Self {
        Self {
            window: Decompress::new(false),
            keeps_window,
            message: Vec::new(),
        }
    }

    /// The message that some bytes are.
    pub(crate) fn inflate(&mut self, bytes: &[u8]) -> Result<&[u8], &'static str> {
        if !self.keeps_window {
            self.window.reset(false);
        }
        self.message.clear();
        for input in [bytes, &TAIL] {
            self.feed(input)?;
        }
        Ok(&self.message)
    }

    fn feed(&mut self, mut input: &[u8]) -> Result<(), &'static str> {
        loop {
            self.message.reserve(4096.max(2 * input.len()));
            let before = self.window.total_in();
            let status = self
                .window
                .decompress_vec(input, &mut self.message, FlushDecompress::Sync)
                .map_err(|_| "a message that cannot be inflated")?;
            // What was read is no more than the input.
            input = &input[(self.window.total_in() - before) as usize..];
            if self.message.len() as u64 > PAYLOAD_MAX {
                return Err("a message of more than 16 MiB");
            }
            let is_full = self.message.len() == self.message.capacity();
            match status {
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError if input.is_empty() && !is_full => return Ok(()),
                Status::BufError if !is_full => return Err("a message that cannot be inflated"),
                Status::Ok | Status::BufError => (),
            }
        }
    }
}
