//! Fuzzes permessage-deflate: any header is answered legally or not at all, any stream inflates
//! within the limit or not at all, and what is deflated inflates.
//!
//! The input's first byte chooses which. Nothing is kept between runs but the thread's inflater, as
//! in the server.
#![no_main]

use fanfare::codec::{
    ProtocolError,
    deflate::{Deflater, inflate, negotiate},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [choice, rest @ ..] = data else {
        return;
    };
    match choice % 3 {
        0 => offer(rest),
        1 => stream(rest, usize::from(*choice) * 16),
        _ => round_trip(rest, u32::from(choice % 10), 9 + choice % 7),
    }
});

fn offer(header: &[u8]) {
    let Ok(header) = std::str::from_utf8(header) else {
        return;
    };
    if let Some(agreed) = negotiate(header.lines()) {
        assert!(header.contains("permessage-deflate"));
        assert!((9..=15).contains(&agreed.window_bits));
        let bits = format!("; server_max_window_bits={}", agreed.window_bits);
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        let parameters = agreed.response.strip_prefix(both);
        assert!(parameters == Some(&bits) || (parameters == Some("") && agreed.window_bits == 15));
    }
}

fn stream(deflated: &[u8], limit: usize) {
    let small = inflate(deflated, limit, |plain| Ok(plain.to_vec()));
    let large = inflate(deflated, 1 << 24, |plain| Ok(plain.to_vec()));
    match (&small, &large) {
        (Ok(small), large) => {
            assert!(small.len() <= limit);
            assert_eq!(large.as_ref(), Ok(small));
        }
        (Err(ProtocolError::MessageTooBig { .. }), Ok(large)) => assert!(large.len() > limit),
        // Broken or too big further on than the small limit reaches.
        (Err(ProtocolError::MessageTooBig { .. }), Err(_)) => {}
        (Err(small), large) => assert_eq!(large.as_ref(), Err(small)),
    }
    let again = inflate(deflated, limit, |plain| Ok(plain.to_vec()));
    assert_eq!(
        again, small,
        "the verdict depends on what was inflated before"
    );
}

fn round_trip(plain: &[u8], level: u32, window_bits: u8) {
    let mut deflater = Deflater::new(level);
    let deflated = deflater.compress(plain, window_bits);
    assert_eq!(deflater.compress(plain, window_bits), deflated);
    let same = inflate(&deflated, plain.len(), |inflated| Ok(inflated == plain));
    assert_eq!(same, Ok(true));
}
