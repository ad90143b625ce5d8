//! Messages from one client to others, channels, and interval pushes.

use crate::support::{Client, Frame, Server, TempDir, eventually, raw};

/// Waits until this many sessions have joined, so that nothing is published before they listen.
fn joined(server: &Server, sessions: u64) {
    server.wait_status("sessions", sessions);
}

#[test]
fn a_message_reaches_everyone_on_the_path_but_its_sender() {
    let server = Server::start(
        &(raw("/ws", "on_message = \"relay\"") + &raw("/other", "on_message = \"relay\"")),
    );
    let (mut a, mut b, mut c) = (server.ws("/ws"), server.ws("/ws"), server.ws("/other"));
    joined(&server, 3);
    a.text("弹幕");
    b.expect_text("弹幕");
    a.expect_nothing();
    c.expect_nothing();
    a.send(&Frame::binary(&[1, 2]));
    assert_eq!(b.message(), Frame::binary(&[1, 2]));
}

// A raw endpoint with channels of its own relayed into them whatever allow.publish said. Everything
// is closed unless allow.* opens it, by WebSocket and by /send alike.
#[test]
fn an_endpoint_relays_into_its_own_channels_where_the_rules_let_it() {
    let settings = |allow: &str| {
        "[channels]\nallow.subscribe = [\"anonymous\"]\n".to_string()
            + allow
            + &raw("/ws", "on_message = \"relay\"\nchannels = [\"news\"]")
            + &raw("/listen", "channels = [\"news\"]")
    };
    let send = "POST /send?path=/ws HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: 1\r\n\r\ny";
    let server = Server::start(&settings(""));
    let (mut speaker, mut listener) = (server.ws("/ws"), server.ws("/listen"));
    joined(&server, 2);
    speaker.text("x");
    // Neither said which setting would let it.
    let why = "permission denied (allow.publish of [channels]): news";
    let told = (3507, why.to_string());
    assert_eq!(speaker.message().code_and_reason(), told);
    let answer = server.request(send).expect("an answer");
    assert_eq!((answer.status, answer.body.trim_end()), (403, why));
    listener.expect_nothing();

    let server = Server::start(&settings("allow.publish = [\"subscriber\"]\n"));
    let (mut speaker, mut listener) = (server.ws("/ws"), server.ws("/listen"));
    joined(&server, 2);
    speaker.text("x");
    listener.expect_text("x");
    assert_eq!(server.request(send).expect("an answer").status, 204);
    listener.expect_text("y");
}

// A page cannot see the status of a refused handshake: it saw 1006 and came again for ever.
#[test]
fn a_name_that_is_none_and_too_many_of_them_end_the_session_with_a_code_and_a_sentence() {
    let server = Server::start(&("[limits]\nsubscriptions = 2\n".to_string() + &raw("/ws", "")));
    let long = format!("channel={}", "x".repeat(256));
    for (query, code, part) in [
        ("channel=", 3501, "is empty"),
        ("channel=a%20b", 3501, "white space (U+0020)"),
        ("channel=a%E3%80%80b", 3501, "white space (U+3000)"),
        ("channel=a%0Ab", 3501, "control character (U+000A)"),
        ("channel=%C4%E3", 3501, "not UTF-8"),
        ("channel=$all", 3501, "the server's own"),
        (&*long, 3501, "256 bytes"),
        ("channel=a&since=x", 3501, "since is offset@epoch"),
        (
            "channel=a&channel=b&channel=a&channel=c",
            3505,
            "more than 2 channels",
        ),
    ] {
        let mut client = server.ws(&format!("/ws?{query}"));
        let (found, reason) = client.expect_close();
        assert_eq!(found, code, "{query}: {reason}");
        assert!(reason.contains(part), "{query}: {reason}");
    }
    let longest = format!("/ws?channel={}&channel=a&channel=a", "x".repeat(255));
    let mut client = server.ws(&longest);
    server.wait_status("channels", 2);
    client.expect_nothing();
}

#[test]
fn messages_of_one_sender_arrive_once_and_in_order_at_many_receivers_on_all_workers() {
    let server =
        Server::start(&("workers = 4\n".to_string() + &raw("/ws", "on_message = \"relay\"")));
    let mut sender = server.ws("/ws");
    let mut receivers: Vec<Client> = (0..20).map(|_| server.ws("/ws")).collect();
    joined(&server, 21);
    for number in 0..500 {
        sender.text(&number.to_string());
    }
    for receiver in &mut receivers {
        for number in 0..500 {
            receiver.expect_text(&number.to_string());
        }
    }
    sender.expect_nothing();
}

/// Two workers with several messages in flight each hand theirs over to the other while the other
/// hands over its own. Each receiver gets each message once, those of one sender in their order.
#[test]
fn messages_of_senders_on_both_workers_arrive_once_and_in_each_ones_order() {
    const SENDERS: usize = 4;
    const MESSAGES: usize = 200;
    let server =
        Server::start(&("workers = 2\n".to_string() + &raw("/ws", "on_message = \"relay\"")));
    // The worker with the fewest connections gets the next one, so that both kinds are on both.
    let on_both = || {
        let names = [0, 1].map(|worker| format!("fanfare_worker_sessions{{worker=\"{worker}\"}}"));
        names.map(|name| server.metric(&name, ""))
    };
    let senders: Vec<Client> = (0..SENDERS).map(|_| server.ws("/ws")).collect();
    joined(&server, 4);
    let of_senders = on_both();
    assert!(
        of_senders.iter().all(|sessions| *sessions > 0),
        "{of_senders:?}"
    );
    let mut receivers: Vec<Client> = (0..6).map(|_| server.ws("/ws")).collect();
    joined(&server, 10);
    let of_all = on_both();
    assert!(
        of_all[0] > of_senders[0] && of_all[1] > of_senders[1],
        "{of_all:?}"
    );
    let sending: Vec<_> = (0..SENDERS)
        .zip(senders)
        .map(|(sender, mut client)| {
            std::thread::spawn(move || {
                for number in 0..MESSAGES {
                    client.text(&format!("{sender} {number}"));
                }
                // It gets what the others say until the end.
                client
            })
        })
        .collect();
    for receiver in &mut receivers {
        let mut next = [0; SENDERS];
        for _ in 0..SENDERS * MESSAGES {
            let text = String::from_utf8(receiver.message().payload).expect("text");
            let (sender, number) = text.split_once(' ').expect("a sender and a number");
            let next = &mut next[sender.parse::<usize>().expect("a sender")];
            assert_eq!(number.parse(), Ok(*next), "{text}");
            *next += 1;
        }
        receiver.expect_nothing();
    }
    for sender in sending {
        sender.join().expect("all is sent");
    }
}

#[test]
fn a_deflated_publication_reads_the_same_in_every_window() {
    let server = Server::start(&raw("/ws", "on_message = \"relay\""));
    let mut sender = server.ws("/ws");
    let mut plain = server.ws("/ws");
    let mut windows: Vec<(u8, Client)> = (9..=15)
        .map(|bits| {
            let offer = format!(
                "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits={bits}\r\n"
            );
            (bits, server.ws_with("/ws", &offer))
        })
        .collect();
    joined(&server, 9);
    // Repeats at a distance of 3,000 bytes, which only windows of 4 KiB and more can see.
    let block: String = (0..3000u32)
        .map(|i| char::from(b'a' + (i.wrapping_mul(2_654_435_761) >> 27) as u8 % 26))
        .collect();
    let text = block.repeat(4);
    sender.text(&text);
    plain.expect_text(&text);
    let mut sizes = Vec::new();
    for (bits, client) in &mut windows {
        let frame = client.message();
        assert_eq!(frame.first, 0xc1, "window {bits}");
        sizes.push(frame.payload.len());
        let mut inflated = Vec::new();
        let mut inflater = flate2::Decompress::new(false);
        let mut tail = frame.payload.clone();
        tail.extend_from_slice(&[0, 0, 0xff, 0xff]);
        inflated.reserve(text.len() + 1024);
        inflater
            .decompress_vec(&tail, &mut inflated, flate2::FlushDecompress::Sync)
            .expect("valid deflate");
        assert!(inflated == text.as_bytes(), "window {bits}");
    }
    assert!(
        sizes[0] > sizes[6],
        "each window has its own wire form: {sizes:?}"
    );
}

#[test]
fn pushes_come_by_the_clock_to_their_channel_or_to_everyone() {
    let server = Server::start(
        &("[[push]]\nevery = \"200ms\"\nchannel = \"news\"\ndata = \"news {seq}\"\n\
           [[push]]\nevery = \"300ms\"\ndata = \"你好! {sessions} {time}\"\nonly_changed = true\n"
            .to_string()
            + &raw("/ws", "")),
    );
    let mut listener = server.ws("/ws?channel=news");
    let mut other = server.ws("/ws");
    // One that was made when only the first was there may come as well.
    eventually("a push that counts both", || {
        let text = String::from_utf8(other.message().payload).expect("text");
        assert!(text.starts_with("你好! ") && text.contains(" 20"), "{text}");
        text.starts_with("你好! 2 20").then_some(())
    });
    let mut seqs = Vec::new();
    while seqs.len() < 3 {
        let text = String::from_utf8(listener.message().payload).expect("text");
        if let Some(seq) = text.strip_prefix("news ") {
            seqs.push(seq.parse::<u64>().expect("a number"));
        }
    }
    assert_eq!(seqs, [seqs[0], seqs[0] + 1, seqs[0] + 2]);
    let status = eventually("runs in the status", || {
        let status = server.status();
        (status["pushes"][0]["runs"].as_u64()? >= 3).then_some(status)
    });
    let next = status["pushes"][0]["next_in_seconds"]
        .as_f64()
        .expect("a number");
    assert!((0.0..=0.2).contains(&next), "{next}");
}

#[test]
fn a_sender_that_finds_no_room_in_a_shard_waits_and_nothing_is_lost() {
    let settings = "workers = 3\n[limits]\nshard_queue = 1\n".to_string();
    let server = Server::start(&(settings + &raw("/ws", "on_message = \"relay\"")));
    // One sender only: among several, one that is always late would be told to come again (1013),
    // by the book.
    let mut sender = server.ws("/ws");
    let mut receivers: Vec<Client> = (0..6).map(|_| server.ws("/ws")).collect();
    joined(&server, 7);
    let sending = std::thread::spawn(move || {
        for number in 0..500 {
            sender.text(&number.to_string());
        }
        sender
    });
    for receiver in &mut receivers {
        for number in 0..500 {
            receiver.expect_text(&number.to_string());
        }
    }
    drop(sending);
}

/// The demonstration put everyone on its path into one channel, so that what was said in another
/// channel reached them all. Who names a channel is in that one alone.
#[test]
fn who_names_a_channel_in_the_demonstration_speaks_there_alone() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command, TempDir::new());
    let mut news: Vec<Client> = (0..2).map(|_| server.ws("/ws?channel=news")).collect();
    let mut all: Vec<Client> = (0..2).map(|_| server.ws("/ws")).collect();
    joined(&server, 4);
    news[0].text("to news");
    news[1].expect_text("to news");
    all[0].text("to all");
    // What was said in news is not before it; a push of the demonstration may be.
    let heard = eventually("a message", || {
        let text = String::from_utf8(all[1].message().payload).expect("text");
        (!text.starts_with("你好!")).then_some(text)
    });
    assert_eq!(heard, "to all");
    news[1].text("news again");
    news[0].expect_text("news again");
}
