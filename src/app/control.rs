//! Commands of the API on their way from the process that has taken over to the one before it,
//! whose sessions end only over its drain. They go over the stream socket between the two
//! ([`predecessor`](super::predecessor), [`successor`](super::successor)), a line each, and only in
//! this direction; what they are stands in [`control`](crate::node::control). Each side is one task
//! of the main thread, which ends with the old process.

use std::{io, os::unix::net::UnixStream as StdUnixStream, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

use super::predecessor::FAILED;
use crate::node::{Node, control::queue::BYTES_MAX};

/// Begins to tell the process before this one.
pub(super) fn forward(node: &Arc<Node>, predecessor: StdUnixStream) {
    node.control.open();
    let node = node.clone();
    actix_rt::spawn(async move {
        // It has ended, or is of a version that hears no commands.
        let _ = write(&node, predecessor).await;
        node.control.close();
    });
}

async fn write(node: &Node, predecessor: StdUnixStream) -> io::Result<()> {
    predecessor.set_nonblocking(true)?;
    let (mut said, mut told) = UnixStream::from_std(predecessor)?.into_split();
    loop {
        tokio::select! {
            lines = node.control.next() => told.write_all(lines.as_bytes()).await?,
            // It says nothing, so this is its end.
            end = said.read_u8() => return end.map(drop),
        }
    }
}

/// Begins to do what the process that has taken over says.
pub(super) fn receive(node: &Arc<Node>, successor: UnixStream) {
    let node = node.clone();
    actix_rt::spawn(async move {
        let mut said = BufReader::new(successor);
        loop {
            let mut line = String::new();
            let mut one = (&mut said).take(BYTES_MAX as u64);
            match one.read_line(&mut line).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    log::warn!("what the process that has taken over says cannot be read: {error}");
                    return;
                }
            }
            match line.strip_prefix(FAILED) {
                Some(why) => log::error!("the process that has taken over ends: {}", why.trim()),
                None => node.on_control_line(&line).await,
            }
        }
    });
}
