//! Numbers and texts as bytes of a record: numbers in groups of seven bits, the lowest first, texts
//! behind their length. Pure; reading never panics and never takes more than is there.

/// Bytes that are not what was to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedRecord;

/// The longest that a number is.
const NUMBER_BYTES: usize = 10;

/// Writes a number, in 1 to 10 bytes.
pub(crate) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    if number < 0x80 {
        return out.push(number as u8);
    }
    // All of them at once, since room is looked for each time; then what is too many goes.
    let mut bytes = [0; NUMBER_BYTES];
    let mut length = 0;
    while number >= 0x80 {
        bytes[length] = number as u8 | 0x80;
        number >>= 7;
        length += 1;
    }
    bytes[length] = number as u8;
    let end = out.len() + length + 1;
    out.extend_from_slice(&bytes);
    out.truncate(end);
}

/// Writes a hash or a secret, in 16 bytes.
pub(crate) fn put_u128(out: &mut Vec<u8>, number: u128) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Writes bytes behind their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordInput<'a>(pub(crate) &'a [u8]);

impl<'a> RecordInput<'a> {
    /// A byte.
    ///
    /// # Errors
    /// The record ends here.
    pub(crate) fn u8(&mut self) -> Result<u8, MalformedRecord> {
        let (&first, rest) = self.0.split_first().ok_or(MalformedRecord)?;
        self.0 = rest;
        Ok(first)
    }

    /// A number.
    ///
    /// # Errors
    /// The record ends in it, or its bytes are none that [`put_u64`] writes.
    pub(crate) fn u64(&mut self) -> Result<u64, MalformedRecord> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(MalformedRecord);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(MalformedRecord)
    }

    /// A number of 32 bits.
    ///
    /// # Errors
    /// The number has more bits, or its bytes are none of a number.
    pub(crate) fn u32(&mut self) -> Result<u32, MalformedRecord> {
        u32::try_from(self.u64()?).map_err(|_| MalformedRecord)
    }

    /// A hash or a secret.
    ///
    /// # Errors
    /// Fewer than 16 bytes are left.
    pub(crate) fn u128(&mut self) -> Result<u128, MalformedRecord> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(MalformedRecord)?;
        self.0 = rest;
        Ok(u128::from_le_bytes(*bytes))
    }

    /// Bytes behind their length.
    ///
    /// # Errors
    /// Fewer bytes are left than the length says.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], MalformedRecord> {
        let length = usize::try_from(self.u64()?).map_err(|_| MalformedRecord)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(MalformedRecord)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A text behind its length.
    ///
    /// # Errors
    /// Fewer bytes are left than the length says, or they are not UTF-8.
    pub(crate) fn text(&mut self) -> Result<&'a str, MalformedRecord> {
        std::str::from_utf8(self.bytes()?).map_err(|_| MalformedRecord)
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// Bytes are left behind the record.
    pub(crate) fn end(self) -> Result<(), MalformedRecord> {
        self.0.is_empty().then_some(()).ok_or(MalformedRecord)
    }
}
