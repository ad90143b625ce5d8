//! The page at `/admin`, its policy, and the address of its own that it may have.

use super::{KEY, bearer, login, start};
use crate::support::{Server, eventually, raw};

/// What a policy forbids.
fn directives(policy: &str) -> Vec<&str> {
    policy.split(';').map(str::trim).collect()
}

/// A message that a peer sent must never become script or markup, and what the administrator's page
/// holds must go nowhere else. The policies are the issue's, word for word.
#[test]
fn the_pages_are_served_under_policies_that_let_nothing_in_and_the_admins_nothing_out() {
    let server = start("");
    let same = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ];
    for (path, connect) in [
        ("/", "connect-src 'self' ws: wss:"),
        ("/admin", "connect-src 'self'"),
        ("/static/base.css", "connect-src 'self' ws: wss:"),
    ] {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy").expect("a policy");
        let mut found = directives(policy);
        let mut expected: Vec<&str> = same.into_iter().chain([connect]).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{path}");
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    }
    let page = server.get("/admin");
    let tag = format!("If-None-Match: {}\r\n", page.header("etag").expect("a tag"));
    assert_eq!(server.get_with("/admin", &tag).status, 304);
    for name in page
        .body
        .split(['"', '\''])
        .filter_map(|part| part.strip_prefix("static/"))
    {
        assert_eq!(server.get(&format!("/static/{name}")).status, 200, "{name}");
    }
    for outside in ["src=\"http", "href=\"http", "src=\"//", "href=\"//"] {
        assert!(!page.body.contains(outside), "{outside}");
    }
    let slash = server.get("/admin/");
    assert_eq!(
        (slash.status, slash.header("location")),
        (308, Some("../admin"))
    );
}

/// Whoever switches the console off still administers, and its page needs its files.
#[test]
fn the_admins_page_has_its_files_without_the_console() {
    let server = start("page.enabled = false\n");
    assert_eq!(server.get("/").status, 404);
    assert_eq!(server.get("/admin").status, 200);
    assert_eq!(server.get("/static/base.css").status, 200);
}

/// On the address that everyone reaches there must be no sign of it; on its own there is all that
/// the page asks, the API too, since it may ask nobody else.
#[test]
fn admin_moves_to_an_address_of_its_own_and_is_nowhere_else() {
    let server = start("admin.listen = [\"127.0.0.1:0\"]\n");
    let line = server.log.wait_for("/admin only there");
    let address = line
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let address = address.expect("an address").parse().expect("an address");
    for path in ["/admin", "/admin/", "/admin/sessions"] {
        let answer = server.get_with(path, KEY);
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.body.contains("nothing is served at this path"),
            "{}",
            answer.body
        );
    }
    assert_eq!(super::post(&server, "/admin/login", KEY, "").status, 404);
    let public = server.address;
    let mut server = server;
    server.address = address;
    assert_eq!(server.get("/admin").status, 200);
    let (token, _) = login(&server);
    let token = bearer(&token);
    assert_eq!(super::post(&server, "/api/info", &token, "").status, 200);
    assert_eq!(server.get("/static/base.css").status, 200);
    let session = server.ws("/ws");
    server.wait_status("sessions", 1);
    drop(session);
    server.address = public;
    assert_eq!(
        server.get_with("/status/sessions", KEY).status,
        200,
        "as ever"
    );
}

/// A new process must find both doors again, and tell them apart.
#[cfg(unix)]
#[test]
fn a_handover_keeps_the_doors_apart() {
    let settings = "admin.listen = [\"127.0.0.1:0\"]\ndrain.spread = \"0s\"\n";
    let mut server = start(settings);
    let line = server.log.wait_for("/admin only there");
    let address = line
        .split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let admin = address.expect("an address").parse().expect("an address");
    let public = server.address;
    server.signal("USR2");
    let successor = Successor::of(&server);
    assert_eq!(server.wait(), 0);
    eventually("the new process answers", || {
        (server.try_get("/admin").ok()?.status == 404).then_some(())
    });
    eventually("the new process is ready", || {
        (server.get("/ready").status == 200).then_some(())
    });
    server.address = admin;
    assert_eq!(server.get("/admin").status, 200);
    login(&server);
    server.address = public;
    successor.end(&server);
}

/// The process that has taken over, which the log names; ended with the test, however that ends.
#[cfg(unix)]
struct Successor(Option<String>);

#[cfg(unix)]
impl Successor {
    fn of(server: &Server) -> Self {
        let line = server.log.wait_for("has taken over");
        let id = line
            .split("process ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        Self(Some(id.expect("its id").to_string()))
    }

    fn signal(id: &str, name: &str) {
        let _ = std::process::Command::new("kill").args([name, id]).status();
    }

    fn end(mut self, server: &Server) {
        let id = self.0.take().expect("it has not ended");
        Self::signal(&id, "-TERM");
        eventually("it has ended", || server.try_get("/ready").err().map(drop));
    }
}

#[cfg(unix)]
impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(id) = &self.0 {
            Self::signal(id, "-KILL");
        }
    }
}

#[test]
fn a_raw_endpoint_cannot_take_the_admins_path() {
    let dir = crate::support::TempDir::new();
    let settings = format!("admin.key = \"s3cret\"\n{}", raw("/admin", ""));
    let config = dir.write("fanfare.toml", &settings);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["check", "--config"])
        .arg(&config)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success());
    assert!(
        text.contains("/admin is the administrator's while admin.key is set"),
        "{text}"
    );
}
