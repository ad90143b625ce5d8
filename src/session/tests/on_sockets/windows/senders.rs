//! Senders among the members: what is relayed waits as well, and nobody gets his own or one message
//! twice.

use super::*;
use crate::{close::Unsubscribe, shard::ServerCommand};

/// Who relays gets no copy of its own message. In a batch of many senders each gets what the others
/// sent, and nothing is joined for one that another may not have.
#[test]
fn senders_are_left_out_of_their_own_messages_in_a_batch() {
    run(async {
        let server = Server::start(&(settings("") + "on_message = \"relay\"\n"));
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(server.ws("/ws?channel=a").await);
        }
        server.wait_sessions(3).await;
        clients[0].text("0").await;
        clients[1].expect_text("0").await;
        clients[2].expect_text("0").await;
        for (sender, text) in [(0, "1"), (1, "2"), (0, "3")] {
            clients[sender].text(text).await;
            // So that the order between senders is known.
            clients[sender].expect_nothing().await;
        }
        clients[0].expect_text("2").await;
        clients[1].expect_text("1").await;
        clients[1].expect_text("3").await;
        for text in ["1", "2", "3"] {
            clients[2].expect_text(text).await;
        }
        for client in &mut clients {
            client.expect_nothing().await;
        }
        assert_eq!(counts(&server), [1, 0, 0]);
    });
}

/// A message that is relayed into several channels reaches a plain client once. It must do so
/// though it waits, whatever channels the client leaves meanwhile, and what gave way in one channel
/// is still owed by another.
#[test]
fn a_message_in_several_channels_comes_once_though_it_waits() {
    run(async {
        let more = "[[namespace]]\nname = \"new\"\nkeep = \"newest\"\n\
                    [[namespace]]\nname = \"now\"\nwindow = 0\n";
        let server = Server::start(&(settings(more) + "on_message = \"relay\"\n"));
        let mut sender = server.ws("/ws?channel=a&channel=b").await;
        let mut member = server.ws("/ws?channel=a&channel=b").await;
        server.wait_sessions(2).await;
        sender.text("1").await;
        member.expect_text("1").await;
        sender.text("2").await;
        sender.expect_nothing().await;
        let (channel, why) = ("a".into(), Unsubscribe::SERVER);
        let command = ServerCommand::Unsubscribe { channel, why };
        server.command_all(&command).await;
        member.expect_text("2").await;
        server.publish("b", "3").await;
        member.expect_text("3").await;

        let mut sender = server.ws("/ws?channel=new:a&channel=now:b").await;
        let mut member = server
            .ws("/ws?channel=new:a&channel=now:b&envelope=1")
            .await;
        server.wait_sessions(4).await;
        member.message().await;
        for text in ["1", "2", "3"] {
            sender.text(text).await;
        }
        let mut seen = Vec::new();
        while seen.len() < 5 {
            let envelope = member.json_lines().await.remove(0);
            let channel = envelope["channel"].as_str().expect("a channel").to_string();
            seen.push((channel, envelope["data"].clone()));
        }
        for number in 1..=3 {
            assert!(seen.contains(&("now:b".into(), number.into())), "{seen:?}");
        }
        assert!(seen.contains(&("new:a".into(), 3.into())), "{seen:?}");
    });
}
