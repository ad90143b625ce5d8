//! The outer form of a token (RFC 7515, section 3.1): three base64url parts and a header, read
//! before anything is verified. Pure. Bound: [`TOKEN_BYTES_MAX`], looked at before anything else.
//! What it returns is not to be believed until a key has verified it; its errors never repeat what
//! the token says beyond the name of an algorithm.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Deserializer, de::IgnoredAny};

/// Longest token, in bytes. Tokens travel in URLs and headers, which servers bound to 8 to 16 KiB.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Longest name of an algorithm that is repeated in an error; the longest known one has 5 bytes.
const NAME_BYTES_MAX: usize = 16;

/// A token whose form is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct CompactJws<'a> {
    /// Header and payload as they were signed.
    pub(super) signed: &'a str,
    /// The signature in base64url.
    pub(super) signature: &'a str,
    header: &'a str,
    payload: &'a str,
}

/// What of the header counts. `jku`, `jwk`, `x5u` and `x5c` are not read at all: a token does not
/// choose its own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JwsHeader {
    /// The algorithm of the signature.
    pub(super) algorithm: Algorithm,
    /// Which key signed it.
    pub(super) key_id: Option<String>,
}

impl<'a> CompactJws<'a> {
    /// Takes a token apart.
    pub(super) fn split(token: &'a str) -> Result<Self, String> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(format!(
                "it has {} bytes, more than {TOKEN_BYTES_MAX}",
                token.len()
            ));
        }
        let count = token.split('.').count();
        let parts = token
            .rsplit_once('.')
            .and_then(|(signed, signature)| Some((signed, signed.split_once('.')?, signature)));
        match parts {
            Some((signed, (header, payload), signature)) if count == 3 => Ok(Self {
                signed,
                signature,
                header,
                payload,
            }),
            _ => Err(format!(
                "a signed token has three parts between dots, this one has {count}"
            )),
        }
    }

    /// The header as text.
    pub(super) fn header_text(&self) -> Result<String, String> {
        part("header", self.header)
    }

    /// The claims as text; only to be believed when a key has verified the signature.
    pub(super) fn claims_text(&self) -> Result<String, String> {
        part("claims", self.payload)
    }

    /// Reads the header.
    pub(super) fn header(&self) -> Result<JwsHeader, String> {
        let text = self.header_text()?;
        let raw: RawHeader = serde_json::from_str(&text).map_err(|error| {
            format!(
                "the header is not as RFC 7515 says (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        // RFC 7515, section 4.1.11: extensions named here must be understood, and none is.
        if raw.crit {
            return Err("the header has `crit`, and no extension is known".to_string());
        }
        if raw.alg.eq_ignore_ascii_case("none") {
            return Err("it is not signed (alg none)".to_string());
        }
        let algorithm = raw.alg.parse().map_err(|_| {
            let is_name = raw.alg.len() <= NAME_BYTES_MAX
                && raw.alg.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if is_name {
                format!("the algorithm {} is not known", raw.alg)
            } else {
                "the algorithm is not known".to_string()
            }
        })?;
        Ok(JwsHeader {
            algorithm,
            key_id: raw.kid,
        })
    }
}

fn part(name: &str, encoded: &str) -> Result<String, String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| format!("the {name} part is not base64url without padding"))?;
    String::from_utf8(bytes).map_err(|_| format!("the {name} part is not UTF-8"))
}

#[derive(Deserialize)]
struct RawHeader {
    alg: String,
    kid: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    crit: bool,
}

/// Whether a member is there at all, whatever it is; `null` counts too.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<JwsHeader, String> {
        let token = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(text));
        CompactJws::split(&token).and_then(|envelope| envelope.header())
    }

    #[test]
    fn a_header_names_algorithm_and_key() {
        let read = header(r#"{"alg":"ES256","kid":"k1","typ":"JWT","x":[1]}"#).unwrap();
        assert_eq!(read.algorithm, Algorithm::ES256);
        assert_eq!(read.key_id.as_deref(), Some("k1"));
    }

    #[test]
    fn headers_that_are_refused() {
        for (text, why) in [
            (r#"{"alg":"none"}"#, "not signed"),
            (r#"{"alg":"nOnE"}"#, "not signed"),
            (r#"{"alg":"HS1"}"#, "HS1 is not known"),
            (r#"{"alg":"<script>"}"#, "the algorithm is not known"),
            (r#"{"alg":""}"#, "not known"),
            (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "crit"),
            (r#"{"alg":"HS256","crit":null}"#, "crit"),
            (r#"{"alg":"HS256","alg":"none"}"#, "RFC 7515"),
            (r#"{"alg":"HS256","kid":7}"#, "RFC 7515"),
            (r#"{"alg":["HS256"]}"#, "RFC 7515"),
            (r#"{"typ":"JWT"}"#, "RFC 7515"),
            ("[]", "RFC 7515"),
            ("", "RFC 7515"),
        ] {
            let error = header(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn forms_that_are_refused() {
        let long = format!("{}.a.a", "a".repeat(TOKEN_BYTES_MAX));
        for (token, why) in [
            ("", "has 1"),
            ("a.b", "has 2"),
            ("a.b.c.d.e", "has 5"),
            (long.as_str(), "more than 16384"),
        ] {
            let error = CompactJws::split(token).unwrap_err();
            assert!(error.contains(why), "{token:.20}: {error}");
        }
        for token in ["e30=.e30.AA", "e3+.e30.AA", "\u{e9}.e30.AA", "_w.e30.AA"] {
            let envelope = CompactJws::split(token).unwrap();
            assert!(envelope.header().is_err(), "{token}");
        }
    }
}
