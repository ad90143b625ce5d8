//! Files in the binary as answers: 304 for who has them, and compressed for who takes gzip.
//!
//! A file is compressed when it is first asked for, by the worker that was asked, once for all of
//! them; the largest takes about a millisecond. Bounds: the copies are those of the files in the
//! binary, together less than `COPIES_BYTES_MAX`, which a test holds.

use std::{borrow::Cow, collections::HashMap, io::Write, sync::OnceLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        self, AcceptEncoding, ContentEncoding, ETag, Encoding, EntityTag, Header, IfNoneMatch,
    },
    web::Bytes,
};
use flate2::{Compression, write::GzEncoder};
use rust_embed::{EmbeddedFile, RustEmbed};

/// A folder in the binary.
pub(super) struct Folder(HashMap<Cow<'static, str>, File>);

struct File {
    content: Bytes,
    /// Of the content; each form of it has a tag of its own.
    hash: String,
    content_type: &'static str,
    /// `None` inside for what does not get smaller.
    gzip: OnceLock<Option<Bytes>>,
}

impl Folder {
    pub(super) fn of<F: RustEmbed>() -> Self {
        let file = |name: Cow<'static, str>| {
            let file = File::new(&name, F::get(&name)?);
            Some((name, file))
        };
        Self(F::iter().filter_map(file).collect())
    }

    /// The answer with a file of this folder, or 304 to who has it; `None` where there is none.
    pub(super) fn answer(&self, request: &HttpRequest, name: &str) -> Option<HttpResponse> {
        Some(self.0.get(name)?.answer(request))
    }
}

impl File {
    fn new(name: &str, file: EmbeddedFile) -> Self {
        let hash = file.metadata.sha256_hash();
        Self {
            content: match file.data {
                Cow::Borrowed(data) => Bytes::from_static(data),
                Cow::Owned(data) => Bytes::from(data),
            },
            hash: hash[..8].iter().map(|byte| format!("{byte:02x}")).collect(),
            content_type: content_type(name),
            gzip: OnceLock::new(),
        }
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let gzip = self.gzip().filter(|_| takes_gzip(request));
        let tag = EntityTag::new_strong(match gzip {
            Some(_) => format!("{}-gzip", self.hash),
            None => self.hash.clone(),
        });
        let is_known = is_known(request, &tag);
        let mut response = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            // The address stays the same over versions, so each use asks whether the copy is
            // current.
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::VARY, "Accept-Encoding"))
            .insert_header(ETag(tag))
            .content_type(self.content_type);
        if is_known {
            return response.finish();
        }
        match gzip {
            Some(gzip) => response
                .insert_header(ContentEncoding::Gzip)
                .body(gzip.clone()),
            None => response.body(self.content.clone()),
        }
    }

    fn gzip(&self) -> Option<&Bytes> {
        self.gzip.get_or_init(|| compress(&self.content)).as_ref()
    }
}

/// The content as gzip, if that is smaller.
fn compress(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    let gzip = encoder.finish().ok()?;
    (gzip.len() < content.len()).then(|| Bytes::from(gzip.into_boxed_slice()))
}

/// Whether the client would rather have gzip. Who forbids both forms gets the plain one: it is a
/// page for people, whose browsers take it.
fn takes_gzip(request: &HttpRequest) -> bool {
    let forms = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request)
        .is_ok_and(|accepted| accepted.negotiate(forms.iter()) == Some(Encoding::gzip()))
}

fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        _ => false,
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("md") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::{client_files, page};

    /// What the compressed copies may come to.
    const COPIES_BYTES_MAX: usize = 384 * 1024;

    // The copies stay in memory for as long as the node lives. A picture or a library that somebody
    // puts beside the pages would take its place there unseen.
    #[test]
    fn the_compressed_copies_of_all_files_stay_within_their_bound() {
        let mut sum = 0;
        for folder in [&*page::FOLDER, &*client_files::FOLDER] {
            assert!(folder.0.len() > 2);
            for (name, file) in &folder.0 {
                let gzip = file.gzip().expect(name);
                assert!(gzip.len() < file.content.len(), "{name}");
                sum += gzip.len();
            }
        }
        assert!(sum < COPIES_BYTES_MAX, "{sum}");
    }

    // Middle boxes and tools ask in odd ways. Who cannot read gzip must never be sent it.
    #[test]
    fn gzip_is_for_those_who_ask_for_it() {
        for (asked, is_taken) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", true),
            ("gzip;q=0.001", true),
            ("identity;q=0, gzip", true),
            ("gzip, identity;q=0.5", true),
            ("identity, gzip;q=0.5", false),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("br", false),
            ("deflate, br", false),
            ("identity;q=0", false),
            ("", false),
            ("gzip;q=2", false),
            ("gzippy", false),
        ] {
            let request = TestRequest::default().insert_header(("accept-encoding", asked));
            assert_eq!(takes_gzip(&request.to_http_request()), is_taken, "{asked}");
        }
        assert!(!takes_gzip(&TestRequest::default().to_http_request()));
    }

    #[test]
    fn what_does_not_get_smaller_stays_as_it_is() {
        assert_eq!(compress(b"short"), None);
        assert!(compress(&[b'a'; 1000]).is_some_and(|gzip| gzip.len() < 100));
    }
}
