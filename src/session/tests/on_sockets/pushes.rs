//! Interval pushes, as sessions get them.

use super::*;

#[test]
fn a_push_to_everyone_is_a_message() {
    run(async {
        let server = Server::start(&format!(
            "[[push]]\nevery = \"200ms\"\ndata = \"你好 {{seq}}\"\n{OPEN}"
        ));
        let mut client = ProtocolClient::connected(&server).await;
        let push = client.push().await;
        let text = push["message"]["data"].as_str().expect("a string");
        assert!(text.starts_with("你好 "), "{push}");
    });
}

#[test]
fn nobody_is_there_and_no_push_is_made() {
    run(async {
        let settings = "[[push]]\nevery = \"100ms\"\ndata = \"x\"\n".to_string();
        let server = Server::start(&(settings + &raw("/ws", "")));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let overview = server.test.node.overview().await.expect("it runs");
        assert!(overview.pushes[0].skipped >= 2, "skipped ticks");
        assert_eq!(overview.pushes[0].runs, 0);
    });
}
