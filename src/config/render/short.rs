//! What `fanfare config --short` prints: the few settings that most installations have, as a file
//! that `fanfare check` has nothing to say of, with keys that are made anew each time.

use uuid::Uuid;

/// The file; `KEY` stands where a key is put.
const TEXT: &str = r#"# What most installations set. `fanfare config` prints every setting with a sentence, and
# `fanfare check --config F` says what is wrong or odd. The keys were made for this file alone.

# Behind nginx on the same machine. To be reached directly: "0.0.0.0:8080", or "tls:0.0.0.0:443"
# with [tls].
listen = ["127.0.0.1:8080"]
# Proxies whose X-Forwarded-For is believed.
trusted_proxies = ["127.0.0.1", "::1"]

#[tls]
#cert = "/etc/fanfare/fullchain.pem"
#key = "/etc/fanfare/privkey.pem"

[api]
# Backends send it as X-API-Key to publish and to ask.
key = "KEY"

[admin]
# Logs in at /admin, where sessions and channels are seen to.
key = "KEY"

[token]
# Your backend signs the tokens of its clients with it (HS256).
hmac_secret = "KEY"

[client]
# Whether clients without a token are let in too.
anonymous = false
# Web pages that may connect; absent: those of the same host.
#origins = ["https://www.example.com"]

[channels]
# Who may subscribe: "client" is anyone with a user, "anonymous" anyone without one.
allow.subscribe = ["client"]
# Who may publish beside the API.
allow.publish = []
# Publications kept of each channel, from which clients recover what they missed.
history_size = 100
history_ttl = "5m"
recovery = true

# Plain WebSocket clients connect here, with ?channel=NAME&token=TOKEN. Those of the client protocol
# connect to /connection/websocket.
[[raw]]
path = "/ws"
# What they send is ignored; "relay" sends it to everyone in their channels where allow.publish lets
# them.
#on_message = "relay"

# Sent to everyone in a channel, again and again.
#[[push]]
#every = "10s"
#channel = "news"
#data = "It is {time}, {sessions} connected."
"#;

/// The few settings that most installations have.
#[must_use]
pub fn render_short() -> String {
    let mut parts = TEXT.split("KEY");
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        text.push_str(&key());
        text.push_str(part);
    }
    text
}

/// 64 hexadecimal digits, of which 244 bits are random (UUID version 4).
fn key() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
