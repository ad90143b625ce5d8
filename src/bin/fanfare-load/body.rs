//! The endless body of a stream of events: chunks taken apart, lines put together.
//!
//! Bounds: of a line that is not whole yet, at most [`LINE_MAX`] bytes are kept. What comes whole
//! is handed on where it lies, without a copy.

/// A longer line than this is no event.
const LINE_MAX: usize = 16 << 20;

/// The parser of one body.
#[derive(Debug)]
pub(crate) struct Body {
    chunks: Chunks,
    /// The beginning of a line.
    line: Vec<u8>,
}

#[derive(Debug)]
enum Chunks {
    /// The body is not chunked.
    None,
    /// In the line that says the next chunk's size.
    Size { bytes: usize, is_over: bool },
    /// In a chunk of which so much is to come.
    Data(usize),
    /// In the line end behind a chunk.
    Behind,
    /// Behind the last chunk.
    End,
}

impl Body {
    pub(crate) fn new(is_chunked: bool) -> Self {
        let chunks = if is_chunked {
            Chunks::Size {
                bytes: 0,
                is_over: false,
            }
        } else {
            Chunks::None
        };
        Self {
            chunks,
            line: Vec::new(),
        }
    }

    /// Whether the server has ended the body.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.chunks, Chunks::End)
    }

    /// The line that is not whole yet.
    pub(crate) fn beginning(&self) -> &[u8] {
        &self.line
    }

    /// Takes what came and hands on whole lines, several at a time where they came together.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        lines: &mut dyn FnMut(&[u8]),
    ) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            match &mut self.chunks {
                Chunks::None => {
                    self.lines(bytes, lines)?;
                    return Ok(());
                }
                Chunks::End => return Ok(()),
                Chunks::Size {
                    bytes: size,
                    is_over,
                } => {
                    let byte = bytes[0];
                    bytes = &bytes[1..];
                    if let (Some(digit), false) = ((byte as char).to_digit(16), *is_over) {
                        *size =
                            (size.checked_mul(16)).ok_or("a chunk without end")? + digit as usize;
                    } else if byte != b'\n' {
                        *is_over = true;
                    } else if *is_over {
                        self.chunks = if *size == 0 {
                            Chunks::End
                        } else {
                            Chunks::Data(*size)
                        };
                    }
                }
                Chunks::Data(left) => {
                    let count = bytes.len().min(*left);
                    *left -= count;
                    let is_done = *left == 0;
                    let (data, rest) = bytes.split_at(count);
                    bytes = rest;
                    self.lines(data, lines)?;
                    if is_done {
                        self.chunks = Chunks::Behind;
                    }
                }
                Chunks::Behind => {
                    if bytes[0] == b'\n' {
                        self.chunks = Chunks::Size {
                            bytes: 0,
                            is_over: false,
                        };
                    }
                    bytes = &bytes[1..];
                }
            }
        }
        Ok(())
    }

    fn lines(&mut self, data: &[u8], lines: &mut dyn FnMut(&[u8])) -> Result<(), &'static str> {
        let Some(end) = memchr::memrchr(b'\n', data) else {
            self.line.extend_from_slice(data);
            return if self.line.len() > LINE_MAX {
                Err("a line of more than 16 MiB")
            } else {
                Ok(())
            };
        };
        let (whole, rest) = data.split_at(end + 1);
        if self.line.is_empty() {
            lines(whole);
        } else {
            self.line.extend_from_slice(whole);
            lines(&self.line);
            self.line.clear();
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(body: &mut Body, pieces: &[&[u8]]) -> String {
        let mut all = Vec::new();
        for piece in pieces {
            let mut lines = |lines: &[u8]| {
                assert!(lines.ends_with(b"\n"));
                all.extend_from_slice(lines);
            };
            body.feed(piece, &mut lines).unwrap();
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn lines_are_whole_however_chunks_and_reads_cut_them() {
        let sent =
            b"6\r\ndata: \r\n4;x=a\r\none\n\r\nf\r\ndata: two\n\ndata\r\n4\r\n: 3\n\r\n0\r\n\r\n";
        for cut in 0..sent.len() {
            let mut body = Body::new(true);
            let all = collect(&mut body, &[&sent[..cut], &sent[cut..]]);
            assert_eq!(all, "data: one\ndata: two\n\ndata: 3\n", "cut at {cut}");
            assert!(body.is_over());
        }
    }

    #[test]
    fn a_body_without_chunks_is_lines_as_they_come() {
        let mut body = Body::new(false);
        assert_eq!(collect(&mut body, &[b"a\nb", b"c\n", b"d"]), "a\nbc\n");
        assert!(!body.is_over());
    }
}
