//! E6: answers that would speak to the connection, to a proxy, to a browser or to another answer.

use cloudbox_tests::{Answer, Language, Stage, on_both_drivers};
use cloudbox_types::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

on_both_drivers! { e6_headers }

/// A public call whose answer is `answer`.
async fn answering(stage: &Stage, name: &str, answer: &Value) -> Answer {
    let body = json!({ "way": "same", "value": answer });
    let answer = Answer::of(stage.api.anonymous().public(Method::POST, name, "").json(&body)).await;
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{}", answer.text());
    let policies: Vec<_> = answer.headers.get_all("content-security-policy").iter().collect();
    assert!(policies.iter().any(|policy| *policy == "sandbox"), "{policies:?}");
    answer
}

async fn e6_headers(stage: &Stage) {
    for language in Language::ALL {
        let name = format!("headers-{}", language.extension());
        let cors = json!({ "cors": { "origins": ["https://a.example"] } });
        stage.deploy(&name, language, "output", &cors).await;
        injected(stage, &name).await;
        statuses(stage, &name).await;
        dropped(stage, &name).await;
        kept(stage, &name).await;
        refusals(stage, &name).await;
        let fine = answering(stage, &name, &json!("fine")).await.with(200);
        assert_eq!(fine.json::<Value>(), "fine");
    }
}

async fn injected(stage: &Stage, name: &str) {
    for headers in [
        json!({ "x-a": "b\r\nset-cookie: forged=1" }),
        json!({ "x-a": "b\nset-cookie: forged=1" }),
        json!({ "x-a": "b\r\n\r\n<html>" }),
        json!({ "x-a": ["fine", "b\rc"] }),
        json!({ "x-a\r\nset-cookie: forged": "1" }),
        json!({ "x-a": "\u{0}" }),
        json!({ "x a": "b" }),
        json!({ "": "b" }),
        json!({ "x-a:": "b" }),
        json!({ "x-\u{e9}": "b" }),
        json!({ "x-a": { "b": 1 } }),
        json!(["x-a"]),
    ] {
        let answer =
            answering(stage, name, &json!({ "statusCode": 200, "headers": headers, "body": "x" })).await;
        assert!(!answer.headers.contains_key("set-cookie"), "{name}: {headers}");
        let _ = answer.error(ErrorCode::InvalidResponse);
    }
}

async fn statuses(stage: &Stage, name: &str) {
    for status in [-1, 0, 99, 100, 101, 199, 600, 1000, 65_736, 4_294_967_496_i64] {
        let answer = answering(stage, name, &json!({ "statusCode": status, "body": "x" })).await;
        let _ = answer.error(ErrorCode::InvalidResponse);
    }
    // What is no integer makes no answer of HTTP: it is a value as any other.
    for status in [json!("200"), json!(200.5), json!(null), json!(true), json!([200])] {
        let value = json!({ "statusCode": status, "body": "x" });
        assert_eq!(answering(stage, name, &value).await.with(200).json::<Value>(), value, "{name}");
    }
    for status in [204, 205, 304] {
        let answer = answering(stage, name, &json!({ "statusCode": status, "body": "smuggled" })).await;
        assert!(answer.with(status).body.is_empty(), "{name}: {status}");
    }
}

async fn dropped(stage: &Stage, name: &str) {
    let headers = json!({
        "Connection": "close, X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=1", "Transfer-Encoding": "chunked",
        "TE": "trailers", "Trailer": "x", "Upgrade": "h2c", "Proxy-Authenticate": "Basic", "Proxy-Connection": "close",
        "Content-Length": "3", "Date": "never", "Alt-Svc": "h2=\":1\"", "Clear-Site-Data": "\"*\"",
        "Strict-Transport-Security": "max-age=1", "Service-Worker-Allowed": "/", "X-Accel-Redirect": "/etc/passwd",
        "X-Sendfile": "/etc/passwd", "X-Cloudbox-Version": "forged", "X-Request-Id": "forged",
    });
    let value = json!({ "statusCode": 200, "headers": headers, "body": "0123456789" });
    let answer = answering(stage, name, &value).await.with(200);
    assert_eq!(answer.text(), "0123456789", "{name}");
    for header in [
        "x-hop",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-authenticate",
        "proxy-connection",
        "alt-svc",
        "clear-site-data",
        "strict-transport-security",
        "service-worker-allowed",
        "x-accel-redirect",
        "x-sendfile",
        "transfer-encoding",
        "connection",
    ] {
        assert_eq!(answer.header(header), "", "{name}: {header}");
    }
    assert_eq!(answer.header("content-length"), "10", "{name}");
    assert_eq!(answer.header("x-cloudbox-version"), "1", "{name}");
    assert_ne!(answer.header("x-request-id"), "forged", "{name}");
    assert_ne!(answer.header("date"), "never", "{name}");
}

async fn kept(stage: &Stage, name: &str) {
    let page = "<script>fetch('/api/projects')</script>";
    let headers = json!({
        "Content-Type": "text/html", "Set-Cookie": ["a=1; HttpOnly", "b=2"], "X-Own": "tab\there",
        "Content-Security-Policy": "default-src *", "X-Content-Type-Options": "none",
    });
    let value = json!({ "statusCode": 201, "headers": headers, "body": page });
    let answer = answering(stage, name, &value).await.with(201);
    assert_eq!((answer.text().as_str(), answer.header("content-type")), (page, "text/html"), "{name}");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; HttpOnly", "b=2"], "{name}");
    assert_eq!(answer.header("x-own"), "tab\there", "{name}");
}

/// A browser of an allowed origin can read refusals too, whoever says no: the function's failure, or the service.
async fn refusals(stage: &Stage, name: &str) {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (body, status) in [("{\"way\":\"exception\",\"at\":0}".to_owned(), 500), (deep, 400)] {
        for (origin, allowed) in [("https://a.example", "https://a.example"), ("https://b.example", "")] {
            let request = stage.api.anonymous().public(Method::POST, name, "").header("origin", origin);
            let answer = Answer::of(request.body(body.clone())).await.with(status);
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{name}: {status}");
            assert_eq!(answer.header("vary"), "origin", "{name}: {status}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{name}: {status}");
            assert_eq!(answer.header("content-security-policy"), "sandbox", "{name}: {status}");
        }
    }
}
