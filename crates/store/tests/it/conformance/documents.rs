//! Documents: a value that is written is read back unchanged.

use context_domain::content::Content;
use context_domain::inheritance::Inheritance;
use context_domain::json;
use context_domain::limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENT_DEPTH};
use serde_json::{Value, json};

use super::harness::{World, content, numbered};

/// Writes a content, and compares it with what each way of reading returns.
async fn comes_back(world: &World, written: Content) {
    let node = world.create(&["documents", &world.id().to_string()], written.clone()).await;
    assert_eq!(node.content, written);
    let read = world.chain_of(&node.id).await.pop().unwrap();
    assert_eq!(read, node);
    // Values that are equal may print differently, and callers get the printed form, so that is compared.
    assert_eq!(read.to_json().to_string(), node.to_json().to_string());
    assert!(world.all().await.contains(&node));
    assert_eq!(world.history_of(&node.id).await[0].content.to_string(), node.to_json().to_string());
    // The content overwrites another one, and is overwritten by another one.
    let bare = world.replace(&node, numbered(0)).await;
    assert_eq!(world.chain_of(&node.id).await.pop(), Some(bare.clone()));
    let again = world.replace(&bare, written.clone()).await;
    assert_eq!((&again.content, world.chain_of(&node.id).await.pop()), (&written, Some(again.clone())));
}

pub(crate) async fn values_come_back_identical(world: &World) {
    let text = r#"{
        "": "", "null": null, "empty": {}, "list": [], "nested": {"null": null, "list": [[], {}, null]},
        "integers": [0, -1, 9223372036854775807, -9223372036854775808, 18446744073709551615],
        "decimals": [0.1, -0.5, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.30000000000000004,
            123456789.12345679, 1e-7, 1e21, 9007199254740993],
        "truth": [true, false],
        "text": ["", " ", "\"", "\\", "/", "\n\r\t\b\f", "\u0001\u001f\u007f", "é", "e\u0301", "世界", "🌍",
            "\ud83d\ude00", "\u2028\u2029", "\uffff", "'; DROP TABLE contexts; --", "%_", "${x}"],
        "names": {"a/b": 1, "a~b": 2, "*": 3, " ": 4, "A": 5, "a": 6, "é": 7, "\u0001": 8, "__proto__": 9}
    }"#;
    comes_back(world, content(json::parse_strict(text.as_bytes()).unwrap())).await;
}

pub(crate) async fn keys_come_back_identical(world: &World) {
    let longest = "k".repeat(255);
    for key in
        ["feature/login", " ", "...", "%2F", "a'b\"c", "--", "é", "e\u{301}", "世界🌍", "null", &longest]
    {
        let node = world.create(&[key, key, key], numbered(1)).await;
        let chain = world.chain(&[key, key, key]).await;
        assert_eq!(chain.last(), Some(&node));
        assert!(
            chain[1..]
                .iter()
                .all(|node| { node.place.as_ref().unwrap().node_key.as_ref().unwrap().as_str() == key })
        );
    }
    // Two spellings of é are two keys, and so are a letter's two cases.
    world.create(&["x"], numbered(1)).await;
    world.create(&["X"], numbered(1)).await;
}

pub(crate) async fn text_comes_back_identical(world: &World) {
    let written = Content {
        context_type: "Type.of_a-note".to_owned(),
        title: Some("'\"\\ é世🌍\n".to_owned()),
        description: Some("d".repeat(1_000)),
        tags: vec!["b".to_owned(), "a".to_owned(), "A.b_c-d".to_owned()],
        user_id: Some("user 🌍".to_owned()),
        ..numbered(1)
    };
    comes_back(world, written.clone()).await;
    // An empty text is not the same as null.
    comes_back(world, Content { title: Some(String::new()), description: None, ..written }).await;
}

pub(crate) async fn inheritance_comes_back_identical(world: &World) {
    let rules = json!({
        "inherit": false, "unset": ["/a/b"], "locked": ["/c~1d"],
        "strategies": {"/l": "union", "/s": {"by_key": "name"}}
    });
    let inheritance = Some(Inheritance::parse(&rules).unwrap());
    comes_back(world, Content { inheritance, ..numbered(1) }).await;
}

pub(crate) async fn times_come_back_to_the_microsecond(world: &World) {
    world.clock.advance(1);
    for micros in [1, 59_999_999, 251_000_000_000_123_456] {
        let expires_at = Some(world.now().saturating_add_micros(micros));
        comes_back(world, Content { expires_at, ..numbered(1) }).await;
    }
}

pub(crate) async fn large_and_deep_documents(world: &World) {
    let largest = content(json!({"a": "x".repeat(MAX_DOCUMENT_BYTES - 8)}));
    assert_eq!(json::check_document(&largest.context_data), Ok(()));
    comes_back(world, largest).await;
    let mut deepest = json!({});
    for level in 1..MAX_DOCUMENT_DEPTH {
        deepest = if level % 2 == 0 || level == MAX_DOCUMENT_DEPTH - 1 {
            json!({"a": deepest})
        } else {
            json!([deepest])
        };
    }
    assert_eq!(json::depth(&deepest), MAX_DOCUMENT_DEPTH);
    comes_back(world, content(deepest)).await;
    let wide: Value =
        (0..20_000).map(|n| (format!("member {n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    comes_back(world, content(wide)).await;
}
