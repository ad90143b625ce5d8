//! TLS listeners with a certificate that is renewed while the server runs, and unix sockets.

use std::{
    net::{SocketAddr, TcpStream},
    path::Path,
    process::Command,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use crate::support::{Client, Frame, SOON, Server, Stream, TempDir, eventually, raw};

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Stream for TlsStream {
    fn set_timeout(&mut self, timeout: Option<std::time::Duration>) {
        self.sock.set_read_timeout(timeout).expect("a timeout");
    }
}

/// Takes any certificate: the tests ask which one it is.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Connects; the stream and the server's certificate.
pub(crate) fn connect(address: SocketAddr) -> (TlsStream, Vec<u8>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let socket = TcpStream::connect(address).expect("a connection");
    socket.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream
            .conn
            .complete_io(&mut stream.sock)
            .expect("a TLS handshake");
    }
    let certificate = stream.conn.peer_certificates().expect("a certificate")[0].to_vec();
    (stream, certificate)
}

/// Writes a self-signed certificate and its key, made by openssl, into `dir`.
pub(crate) fn make_certificate(dir: &TempDir) {
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("openssl is installed");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
}

fn start() -> Server {
    let dir = TempDir::new();
    make_certificate(&dir);
    start_with(dir)
}

/// Starts with the certificate of a directory.
fn start_with(dir: TempDir) -> Server {
    let settings = settings_of(&dir);
    Server::start_in(dir, &settings, &[])
}

fn settings_of(dir: &TempDir) -> String {
    let path = dir.path().display();
    format!(
        "listen = [\"tls:127.0.0.1:0\"]\ntls.cert = \"{path}/cert.pem\"\ntls.key = \"{path}/key.pem\"\n\
         tls.handshake_timeout = \"60s\"\n{}",
        raw("/echo", "on_message = \"echo\"")
    )
}

#[test]
fn a_websocket_over_tls_carries_messages_larger_than_a_record_both_ways() {
    let server = start();
    let (stream, _) = connect(server.address);
    let mut client = Client::handshake(stream, "/echo", "").1.expect("a client");
    let message = Frame::binary(&(0..60_000u32).map(|i| i as u8).collect::<Vec<_>>());
    for _ in 0..20 {
        client.send(&message);
    }
    for _ in 0..20 {
        assert_eq!(client.message(), message);
    }
    client.send(&Frame::close(1000, ""));
    assert_eq!(client.expect_close().0, 1000);
}

#[test]
fn a_renewed_certificate_is_taken_up_on_sighup_and_old_sessions_live_on() {
    let server = start();
    let (stream, old) = connect(server.address);
    let mut client = Client::handshake(stream, "/echo", "").1.expect("a client");
    make_certificate(&server.dir);
    server.signal("HUP");
    server.log.wait_for("certificate was taken up");
    let (_, new) = connect(server.address);
    assert_ne!(old, new);
    client.text("still here");
    client.expect_text("still here");
}

#[test]
fn a_certificate_that_cannot_be_used_leaves_the_old_one_in_place() {
    let server = start();
    let (_, old) = connect(server.address);
    server.dir.write("cert.pem", "no certificate");
    server.signal("HUP");
    server.log.wait_for("stays as it was");
    assert_eq!(connect(server.address).1, old);
}

#[test]
fn renewed_files_are_noticed_without_a_signal() {
    let server = start();
    let (_, old) = connect(server.address);
    make_certificate(&server.dir);
    eventually("the new certificate", || {
        (connect(server.address).1 != old).then_some(())
    });
}

/// A certificate from an editor that writes a BOM was said to hold no certificate. It serves.
#[test]
fn a_certificate_and_a_key_with_a_mark_before_the_text_serve() {
    let dir = TempDir::new();
    make_certificate(&dir);
    for name in ["cert.pem", "key.pem"] {
        let text = std::fs::read_to_string(dir.path().join(name)).expect("a file");
        dir.write(name, &format!("\u{feff}{text}"));
    }
    let server = start_with(dir);
    connect(server.address);
}

/// An encrypted key was "base64 decode error". It is called by its name, in both of its forms.
#[test]
fn an_encrypted_key_is_called_so() {
    let dir = TempDir::new();
    make_certificate(&dir);
    let key = dir.path().join("key.pem");
    let settings = dir.write("fanfare.toml", &settings_of(&dir));
    for form in [&["pkey"][..], &["ec"]] {
        let made = Command::new("openssl")
            .args(form)
            .args(["-aes256", "-passout", "pass:secret", "-in"])
            .arg(&key)
            .arg("-out")
            .arg(dir.path().join("encrypted.pem"))
            .output()
            .expect("openssl is installed");
        assert!(made.status.success());
        let text = std::fs::read_to_string(dir.path().join("encrypted.pem")).expect("a file");
        let plain = std::fs::read_to_string(&key).expect("a file");
        dir.write("key.pem", &text);
        let said = said_by_check(&settings);
        assert!(said.contains("the key is encrypted"), "{said}");
        dir.write("key.pem", &plain);
    }
}

fn said_by_check(settings: &Path) -> String {
    let said = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .arg("check")
        .arg("--config")
        .arg(settings)
        .output()
        .expect("the binary starts");
    String::from_utf8_lossy(&said.stderr).into_owned()
}

/// A key of another certificate was "keys may not be consistent: KeyMismatch". It is said which
/// file is not whose.
#[test]
fn a_key_of_another_certificate_is_called_so() {
    let (dir, other) = (TempDir::new(), TempDir::new());
    make_certificate(&dir);
    make_certificate(&other);
    let key = std::fs::read_to_string(other.path().join("key.pem")).expect("a file");
    dir.write("key.pem", &key);
    let settings = dir.write("fanfare.toml", &settings_of(&dir));
    let said = said_by_check(&settings);
    let right = "key.pem: the key is not that of the certificate in";
    assert!(said.contains(right), "{said}");
}

/// Only the time of the files was looked at, so a renewal that keeps it was not noticed. What is in
/// them tells.
#[test]
fn files_renewed_with_the_same_time_are_noticed_without_a_signal() {
    let server = start();
    let (_, old) = connect(server.address);
    let times: Vec<_> = ["cert.pem", "key.pem"]
        .into_iter()
        .map(|name| {
            let path = server.dir.path().join(name);
            let time = std::fs::metadata(&path).and_then(|data| data.modified());
            (path, time.expect("a time"))
        })
        .collect();
    make_certificate(&server.dir);
    for (path, time) in times {
        let file = std::fs::File::options().write(true).open(path);
        file.and_then(|file| file.set_modified(time))
            .expect("a time");
    }
    eventually("the new certificate", || {
        (connect(server.address).1 != old).then_some(())
    });
}

/// TLS takes small writes into a buffer of its own, and each was taken for progress: a client that
/// read nothing was only ended by the system's own timeout.
#[test]
fn under_tls_too_who_takes_nothing_is_gone_after_the_write_timeout_while_pushes_go_on() {
    let dir = TempDir::new();
    make_certificate(&dir);
    let path = dir.path().display().to_string();
    let settings = format!(
        "listen = [\"tls:127.0.0.1:0\"]\ntls.cert = \"{path}/cert.pem\"\ntls.key = \"{path}/key.pem\"\ntcp.user_timeout = 0\n\
         [limits]\nmessage_bytes = \"64KiB\"\noutbox_bytes = \"64MiB\"\n[slow]\nwrite_timeout = \"1s\"\n\
         [[push]]\nevery = \"100ms\"\ndata = \"a push\"\n{}",
        raw("/ws", "on_message = \"relay\"")
    );
    let server = Server::start_in(dir, &settings, &[]);
    let (stream, _) = connect(server.address);
    let _deaf = Client::handshake(stream, "/ws", "").1.expect("a client");
    let (stream, _) = connect(server.address);
    let mut sender = Client::handshake(stream, "/ws", "").1.expect("a client");
    let block = Frame::binary(&vec![7; 60_000]);
    // More than the kernel's buffers; from then on only the small pushes go on.
    for _ in 0..300 {
        sender.send(&block);
    }
    let line = server.log.wait_for("session ended");
    assert!(line.contains("code=3009"), "{line}");
}

#[cfg(unix)]
#[test]
fn a_unix_socket_serves_and_a_stale_file_is_no_hindrance() {
    use std::os::unix::net::{UnixListener, UnixStream};
    let dir = TempDir::new();
    let path = dir.path().join("fanfare.sock");
    // Left over from a process that died.
    drop(UnixListener::bind(&path).expect("a socket"));
    let settings = format!(
        "listen = [\"unix:{}\"]\n{}",
        path.display(),
        raw("/echo", "on_message = \"echo\"")
    );
    let mut server = Server::start_in(dir, &settings, &[]);
    let stream = UnixStream::connect(&path).expect("a connection");
    let mut client = Client::handshake(stream, "/echo", "").1.expect("a client");
    client.text("over a file");
    client.expect_text("over a file");
    client.send(&Frame::close(1000, ""));
    assert_eq!(client.expect_close().0, 1000);
    assert!(
        server
            .log
            .wait_for("session ended")
            .contains("address=unix")
    );
    server.signal("TERM");
    assert_eq!(server.wait(), 0);
    assert!(!path.exists(), "the file is removed at the end");
}

/// The file of a unix socket was 0755, so that a proxy of another user could not connect, and who
/// came by it was no local user to the API. It is as open as 127.0.0.1, or as its mode says.
#[cfg(unix)]
#[test]
fn a_unix_socket_is_open_to_this_machine_and_counts_as_it() {
    use std::{
        io::{Read as _, Write as _},
        os::unix::{
            fs::{MetadataExt as _, PermissionsExt as _},
            net::UnixStream,
        },
    };
    let dir = TempDir::new();
    let (open, closed) = (dir.path().join("open.sock"), dir.path().join("closed.sock"));
    let group = std::fs::metadata(dir.path()).expect("a directory").gid();
    let settings = format!(
        "listen = [\"127.0.0.1:0\", \"unix:{}\", \"unix:{}?mode=0660&group={group}\"]\n{}",
        open.display(),
        closed.display(),
        raw("/echo", "on_message = \"echo\"")
    );
    let _server = Server::start_in(dir, &settings, &[]);
    let file = |path: &std::path::Path| {
        let data = std::fs::metadata(path).expect("a socket");
        (data.permissions().mode() & 0o777, data.gid())
    };
    assert_eq!(file(&open).0, 0o666);
    assert_eq!(file(&closed), (0o660, group));
    let ask = |headers: &str| {
        let mut stream = UnixStream::connect(&open).expect("a connection");
        stream.set_read_timeout(Some(SOON)).expect("a timeout");
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(ask("").starts_with("HTTP/1.1 200"));
    let passed_on = ask("X-Forwarded-For: 192.0.2.1\r\n");
    assert!(passed_on.starts_with("HTTP/1.1 403"), "{passed_on}");
}
