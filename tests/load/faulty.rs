//! A tool that measures must find what is wrong, and find nothing where nothing is. This server
//! relays what one client sends to all, and does to it what a test says.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::load;

/// What is done with the message of a number, counted from 0: how the first client gets it.
type Fault = fn(u64, Vec<u8>, &mut Vec<Vec<u8>>) -> Vec<Vec<u8>>;

fn serve(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let all: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let count = Arc::new(Mutex::new((0u64, Vec::new())));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.push(byte[0]);
            }
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: \
                Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            {
                // Whoever has its answer is among those who get what is sent from then on.
                let mut all = all.lock().unwrap();
                stream.write_all(answer).expect("an answer");
                all.push(stream.try_clone().expect("a clone"));
            }
            let (all, count) = (Arc::clone(&all), Arc::clone(&count));
            thread::spawn(move || relay(stream, &all, &count, fault));
        }
    });
    address
}

type Count = Mutex<(u64, Vec<Vec<u8>>)>;

fn relay(mut stream: TcpStream, all: &Mutex<Vec<TcpStream>>, count: &Count, fault: Fault) {
    loop {
        // Messages of 26 to 125 bytes, masked, which is all that the tests send.
        let mut head = [0; 6];
        if stream.read_exact(&mut head).is_err() {
            return;
        }
        let mut payload = vec![0; usize::from(head[1] & 0x7F)];
        stream.read_exact(&mut payload).expect("a payload");
        for (place, byte) in payload.iter_mut().enumerate() {
            *byte ^= head[2 + place % 4];
        }
        let frame = [&[0x81, payload.len() as u8], &payload[..]].concat();
        let (number, held) = &mut *count.lock().unwrap();
        let faulty = fault(*number, frame.clone(), held);
        *number += 1;
        for (place, receiver) in all.lock().unwrap().iter_mut().enumerate() {
            let frames = if place == 0 {
                faulty.concat()
            } else {
                frame.clone()
            };
            let _ = receiver.write_all(&frames);
        }
    }
}

fn fanout(fault: Fault, more: &[&str]) -> (i32, serde_json::Value) {
    let url = format!("ws://{}/", serve(fault));
    let mut arguments = vec!["fanout", "--url", &url, "--conns", "3", "--connecting", "1"];
    arguments.extend(["--messages", "20", "--size", "60", "--patience", "300ms"]);
    arguments.extend(more);
    let (status, told, said) = load(&arguments);
    assert!(told.is_object(), "{said}");
    (status, told)
}

/// Two servers at which every message is to be published, of which the second is faulty.
fn fanout_at_two(fault: Fault, more: &[&str]) -> (i32, serde_json::Value) {
    let [one, other] = [serve(|_, frame, _| vec![frame]), serve(fault)];
    let [one, other] = [format!("ws://{one}/"), format!("ws://{other}/")];
    let mut arguments = vec!["fanout", "--url", &one, "--url", &other, "--conns", "5"];
    arguments.extend(["--connecting", "1", "--messages", "20", "--size", "60"]);
    arguments.extend(["--patience", "300ms"]);
    arguments.extend(more);
    let (status, told, said) = load(&arguments);
    assert!(told.is_object(), "{said}");
    (status, told)
}

fn faults(told: &serde_json::Value) -> [u64; 4] {
    ["delivered", "lost", "doubled", "out_of_order"].map(|name| told[name].as_u64().expect(name))
}

// A tool that finds faults in a server without any is not believed again. Both paces are tried,
// since each books messages in its own way.
#[test]
fn a_server_without_faults_is_clean() {
    for pace in [["--in-flight", "4"], ["--rate", "200"]] {
        let (status, told) = fanout(|_, frame, _| vec![frame], &pace);
        assert_eq!((status, faults(&told)), (0, [60, 0, 0, 0]), "{told}");
    }
}

// A loss that is not counted makes a broken server look fast. It must not end the run either: the
// closed loop goes on once it has waited long enough.
#[test]
fn what_is_lost_is_counted_and_the_run_goes_on() {
    let lose = |number, frame, _: &mut _| {
        if number % 10 == 3 {
            vec![]
        } else {
            vec![frame]
        }
    };
    for pace in [["--in-flight", "4"], ["--rate", "200"]] {
        let (status, told) = fanout(lose, &pace);
        assert_eq!((status, faults(&told)), (1, [58, 2, 0, 0]), "{told}");
    }
}

// Two processes are compared with two workers by one message that goes to everyone. If it went to
// one of them only, or each had a pace of its own, that would be other work.
#[test]
fn at_several_servers_a_message_is_one_that_everyone_at_all_of_them_gets() {
    for pace in [["--in-flight", "4"], ["--rate", "200"]] {
        let (status, told) = fanout_at_two(|_, frame, _| vec![frame], &pace);
        assert_eq!((status, faults(&told)), (0, [100, 0, 0, 0]), "{told}");
        assert_eq!(told["published"], 20, "{told}");
    }
    let lose = |number, frame, _: &mut _| {
        if number == 3 { vec![] } else { vec![frame] }
    };
    let (status, told) = fanout_at_two(lose, &[]);
    assert_eq!((status, faults(&told)), (1, [99, 1, 0, 0]), "{told}");
}

// What comes twice would hide a loss if receipts were only added up. The last message counts too:
// it comes twice after everything has arrived.
#[test]
fn what_comes_twice_is_counted_the_last_one_too() {
    let double = |number, frame: Vec<u8>, _: &mut _| match number {
        5 | 19 => vec![frame.clone(), frame],
        _ => vec![frame],
    };
    let (status, told) = fanout(double, &[]);
    assert_eq!((status, faults(&told)), (1, [60, 0, 2, 0]), "{told}");
}

// A message that another one overtook is neither lost nor doubled, and clients that count on the
// order break all the same.
#[test]
fn what_is_overtaken_is_out_of_order_and_nothing_else() {
    let swap = |number, frame, held: &mut Vec<Vec<u8>>| match number {
        6 => {
            held.push(frame);
            vec![]
        }
        7 => vec![frame, held.pop().expect("it was held")],
        _ => vec![frame],
    };
    let (status, told) = fanout(swap, &["--rate", "200"]);
    assert_eq!((status, faults(&told)), (1, [60, 0, 0, 1]), "{told}");
}

// A server that stands still for a while delays all that was to leave meanwhile. Counted from when
// each could leave, only one message would be slow: that is coordinated omission.
#[test]
fn at_a_rate_a_stall_is_in_the_latency_of_everything_that_was_due() {
    #[expect(clippy::disallowed_methods, reason = "the fault that is to be found")]
    let stall = |number, frame, _: &mut _| {
        if number == 4 {
            thread::sleep(Duration::from_millis(200));
        }
        vec![frame]
    };
    let began = Instant::now();
    let (status, told) = fanout(stall, &["--rate", "100"]);
    assert_eq!((status, faults(&told)), (0, [60, 0, 0, 0]), "{told}");
    assert_eq!(told["latency_kind"], "from the intended time");
    let (half, most) = (&told["latency_us"]["p50"], &told["latency_us"]["max"]);
    // 15 of 20 messages were due within the stall: the middle one waited for half of it.
    assert!(half.as_u64() >= Some(30_000), "{told}");
    assert!(most.as_u64() >= Some(190_000), "{told}");
    assert!(began.elapsed() < Duration::from_secs(20));
}
