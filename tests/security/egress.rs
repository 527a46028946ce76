//! G10: the way out of sandboxes. What a function's `egress` names is reached by any client, as it is; nothing else is, by
//! whatever name, address or form of one.

use std::net::Ipv4Addr;

use cloudbox_tests::site::Site;
use cloudbox_tests::{Driver, Home, Language, Plan, Stage, both_drivers};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};

/// The name of a site, where it is, and the network that the operator allows.
const SITE: &str = "site.test";
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
const NETWORK: &str = "127.77.0.0/16";
/// Names that an attacker has pointed at what is not public.
const TRAPS: [(&str, &str); 5] = [
    ("loopback.trap.test", "127.0.0.1"),
    ("private.trap.test", "10.0.0.1"),
    ("metadata.trap.test", "169.254.169.254"),
    ("six.trap.test", "::1"),
    ("mapped.trap.test", "::ffff:10.0.0.1"),
];
/// Connections of one sandbox at once, in this test.
const CONNECTIONS: usize = 20;

both_drivers! { g10_the_way_out }

async fn g10_the_way_out(driver: Driver) {
    let (home, site) = (Home::new(), Site::of_text(SITE, ADDRESS).await);
    let mut hosts = format!("{SITE:?} = \"{ADDRESS}\"\n");
    for (name, address) in TRAPS {
        hosts.push_str(&format!("{name:?} = \"{address}\"\n"));
    }
    let file = format!(
        "[egress]\nallow_private = [{NETWORK:?}]\nmax_connections = {CONNECTIONS}\n[egress.hosts]\n{hosts}"
    );
    let path = home.path().join("cloudbox.toml");
    std::fs::write(&path, file).unwrap();
    let plan = Plan::new(driver).at(&home).with("CLOUDBOX_CONFIG", path.to_str().unwrap());
    let Some(stage) = Stage::with(plan).await else { return };
    let at_ports = [site.plain, site.secure].map(at);
    let egress = json!([at_ports[0], at_ports[1], "*.trap.test", format!("{}:{}", ADDRESS, site.plain)]);
    for (language, dependencies) in [
        (Language::Node, json!({"axios": "^1.0.0"})),
        (Language::Python, json!({"requests": ">=2.28"})),
        (Language::Go, json!({})),
    ] {
        let settings = json!({"egress": egress, "dependencies": dependencies, "memory": 256, "timeout": 60});
        stage.deploy(&name(language), language, "egress", &settings).await;
    }
    clients_reach_what_is_named(&stage, &site).await;
    nothing_else_is_reached(&stage, &site).await;
    settings_are_checked_and_taken_at_once(&stage, &site).await;
    floods_and_junk_are_borne(&stage, &site).await;
    stage.is_healthy().await;
    stage.stop().await;
}

/// The site's entry of an `egress`.
fn at(port: u16) -> String {
    format!("{SITE}:{port}")
}

fn name(language: Language) -> String {
    format!("egress-{}", language.extension())
}

/// What `execute` answered.
async fn call(stage: &Stage, language: Language, data: &Value) -> Value {
    stage.call(&name(language), data).await.with(200).json()
}

/// Unmodified clients of every language and `context.http`, HTTP and HTTPS to its end, and what is listed of it.
async fn clients_reach_what_is_named(stage: &Stage, site: &Site) {
    let clients = [
        (Language::Node, "fetch", true),
        (Language::Node, "http", false),
        (Language::Node, "https", true),
        (Language::Node, "axios", true),
        (Language::Python, "urllib", true),
        (Language::Python, "requests", true),
        (Language::Go, "net/http", true),
        (Language::Node, "context", true),
        (Language::Python, "context", true),
        (Language::Go, "context", true),
    ];
    for (language, client, is_secure) in clients {
        let plain = format!("http://{}:{}/plain", SITE, site.plain);
        let secure = format!("https://{}:{}/secure", SITE, site.secure);
        if client != "https" {
            let found = call(stage, language, &json!({"client": client, "url": plain})).await;
            assert_eq!(found["response"], json!({"status": 200, "text": "GET /plain "}), "{client}: {found}");
            listed(&found, site.plain);
        }
        if is_secure {
            let data = json!({"client": client, "url": secure, "authority": site.authority, "body": "hello"});
            let found = call(stage, language, &data).await;
            let text = found["response"]["text"].as_str().unwrap_or_default();
            assert!(["POST /secure hello", "GET /secure "].contains(&text), "{client}: {found}");
            listed(&found, site.secure);
        }
    }
    // By the platform's routes as by any other; a try reaches nothing.
    let url = format!("http://{SITE}:{}/plain", site.plain);
    let body =
        json!({"function_id": name(Language::Node), "request": {"body": {"client": "context", "url": url}}});
    let ran: Value = stage.api.post("/execute", &body).await.with(200).json();
    assert_eq!(ran["data"], json!({"status": 200, "text": "GET /plain "}), "{ran}");
    let tried: Value = stage.api.post("/test", &body).await.with(200).json();
    assert_eq!(tried["data"], json!({"error": "HTTP_FAILED"}), "{tried}");
    let code = "export default async (request, context) => context.http.get(request.body)";
    let mut body = json!({"code": code, "request": {"body": url}, "egress": [at(site.plain)]});
    let ran: Value = stage.api.post("/execute", &body).await.with(200).json();
    assert_eq!(ran["data"], "GET /plain ", "{ran}");
    let _ = stage.api.post("/test", &body).await.with(500);
    body["egress"] = json!(["10.0.0.1"]);
    let refused = stage.api.post("/execute", &body).await.error(ErrorCode::ValidationError);
    assert_eq!(refused["details"][0]["field"], "egress[0]", "{refused}");
    // An address is reached through the proxy, which clients find in their environment.
    let data = json!({"client": "requests", "url": format!("http://{}:{}/", ADDRESS, site.plain)});
    let found = call(stage, Language::Python, &data).await;
    assert_eq!(found["response"]["status"], 200, "{found}");
    assert_eq!(found["egress"][0]["host"], ADDRESS.to_string(), "{found}");
    let record = &stage.api.logs(&name(Language::Go), "limit=1").await.items[0];
    assert_eq!(record.egress[0].host, SITE);
    assert!(record.egress[0].bytes_down > 0, "{record:?}");
}

/// One connection to the site, with its bytes and its time.
fn listed(found: &Value, port: u16) {
    let attempts = found["egress"].as_array().unwrap();
    let attempt = attempts.iter().find(|attempt| attempt["port"] == port).unwrap();
    assert_eq!(attempt["host"], SITE, "{found}");
    assert_eq!(attempt["address"], ADDRESS.to_string(), "{found}");
    assert_eq!(attempt["outcome"], "ok", "{found}");
    assert!(attempt["bytes_up"].as_u64().unwrap() > 20, "{found}");
    assert!(attempt["bytes_down"].as_u64().unwrap() > 20, "{found}");
    assert!(attempt["duration_ms"].as_f64().unwrap() > 0.0, "{found}");
}

/// Other names, other ports, private addresses in every form, the host's own services.
async fn nothing_else_is_reached(stage: &Stage, site: &Site) {
    for (language, client) in [
        (Language::Node, "fetch"),
        (Language::Python, "requests"),
        (Language::Go, "net/http"),
        (Language::Node, "context"),
        (Language::Python, "context"),
        (Language::Go, "context"),
    ] {
        let found = call(stage, language, &json!({"client": client, "url": "http://other.test/"})).await;
        // Clients that look for a proxy have one here, since the list has an address.
        let is_refused = found["response"]["error"].is_string() || found["response"]["status"] == 403;
        assert!(is_refused, "{found}");
        assert_eq!(found["egress"][0]["outcome"], "refused", "{found}");
        let logs = found["logs"].as_str().unwrap();
        assert!(logs.contains("add \"other.test\" to the function's egress"), "{found}");
    }
    for language in Language::ALL {
        let data = json!({"client": "context", "url": format!("http://{}/", TRAPS[2].0)});
        let found = call(stage, language, &data).await;
        assert!(found["response"]["error"].is_string(), "{language:?}: {found}");
        assert_eq!(found["egress"][0]["outcome"], "refused_address", "{language:?}: {found}");
    }
    for (trap, _) in TRAPS {
        let data = json!({"client": "fetch", "url": format!("http://{trap}/")});
        let found = call(stage, Language::Node, &data).await;
        assert_eq!(found["response"]["error"], "ECONNRESET", "{trap}: {found}");
        assert_eq!(found["egress"][0]["outcome"], "refused_address", "{trap}: {found}");
        assert_eq!(found["egress"][0]["bytes_down"], 0, "{trap}: {found}");
    }
    let other_port = json!({"client": "fetch", "url": format!("http://{}:{}/", SITE, site.plain ^ 1)});
    let found = call(stage, Language::Node, &other_port).await;
    assert_eq!(found["response"]["error"], "ECONNREFUSED", "{found}");
    // The port is another entry's: the connection arrives, and is refused by name.
    let data = json!({"client": "fetch", "url": format!("http://{SITE}:80/")});
    let found = call(stage, Language::Node, &data).await;
    assert_eq!(found["egress"][0]["outcome"], "refused", "{found}");
    through_the_proxy(stage, site).await;
    let service: u16 = stage.service.base.rsplit(':').next().unwrap().parse().unwrap();
    let addresses = json!([
        ["127.0.0.1", service],
        ["127.0.0.1", site.plain],
        [ADDRESS.to_string(), site.plain],
        ["127.64.100.1", site.plain],
        ["10.0.0.1", 80],
        ["169.254.169.254", 80],
        ["1.1.1.1", 80],
    ]);
    let found = call(stage, Language::Node, &json!({"client": "connect", "addresses": addresses})).await;
    for (address, end) in found["response"].as_object().unwrap() {
        assert!(end["error"].is_string(), "{address}: {end}");
    }
}

/// A client that is told of the proxy gets what the list names, an address included, and nothing else.
async fn through_the_proxy(stage: &Stage, site: &Site) {
    let lines = [
        (format!("GET http://{}:{}/", SITE, site.plain), "200"),
        (format!("CONNECT {}:{}", SITE, site.secure), "200"),
        (format!("CONNECT {}:{}", ADDRESS, site.plain), "200"),
        (format!("CONNECT {}:{}", ADDRESS, site.secure), "403"),
        (format!("CONNECT {SITE}:25"), "403"),
        ("CONNECT loopback.trap.test:80".to_owned(), "403"),
        ("CONNECT localhost:80".to_owned(), "403"),
        ("CONNECT 127.0.0.1:80".to_owned(), "403"),
        ("CONNECT 2130706433:80".to_owned(), "403"),
        ("CONNECT 0177.0.0.1:80".to_owned(), "403"),
        ("CONNECT [::ffff:10.0.0.1]:80".to_owned(), "403"),
        ("GET http://169.254.169.254/latest/meta-data/".to_owned(), "403"),
        ("GET unix:/var/run/docker.sock".to_owned(), "501"),
        ("GET /".to_owned(), "400"),
    ];
    let data = json!({"client": "proxy", "lines": lines.each_ref().map(|(line, _)| line)});
    let found = call(stage, Language::Node, &data).await;
    for ((line, status), answer) in lines.iter().zip(found["response"].as_array().unwrap()) {
        let answer = answer.as_str().unwrap_or_default();
        assert_eq!(answer.split(' ').nth(1), Some(*status), "{line}: {answer}");
    }
}

/// Entries that can't be had are refused by name; what is changed holds from the next call on, without a deploy.
async fn settings_are_checked_and_taken_at_once(stage: &Stage, site: &Site) {
    let name = name(Language::Node);
    for entry in ["http://a.b", "10.0.0.1", "127.0.0.1:80", "2130706433", "0x7f.1", "[::1]:80", "a.b:0"] {
        let answer = stage.api.patch(&name, &json!({ "egress": ["a.b", entry] })).await;
        let body = answer.error(ErrorCode::ValidationError);
        assert_eq!(body["details"][0]["field"], "egress[1]", "{entry}: {body}");
    }
    let fetch = json!({"client": "fetch", "url": format!("http://{}:{}/", SITE, site.plain)});
    let before = stage.api.function(&name).await.with(200).json::<Value>()["egress"].take();
    let _ = stage.api.patch(&name, &json!({ "egress": [] })).await.with(200);
    let found = call(stage, Language::Node, &fetch).await;
    assert!(found["response"]["error"].is_string() && found["egress"].is_null(), "{found}");
    for isolation in ["process", "invocation", "version"] {
        let change = json!({"egress": before, "isolation": isolation});
        let _ = stage.api.patch(&name, &change).await.with(200);
        for _ in 0..2 {
            let found = call(stage, Language::Node, &fetch).await;
            assert_eq!(found["response"]["status"], 200, "{isolation}: {found}");
            listed(&found, site.plain);
        }
    }
}

/// Connections beyond the bound wait, and messages that are no queries are nothing to the name server.
async fn floods_and_junk_are_borne(stage: &Stage, site: &Site) {
    let flood = json!({"client": "flood", "host": SITE, "port": site.plain, "count": 300,
        "answers": CONNECTIONS});
    let found = call(stage, Language::Node, &flood).await;
    assert!(
        found["egress"].as_array().is_some_and(|attempts| (1..=100).contains(&attempts.len())),
        "{found}"
    );
    let _ = call(stage, Language::Node, &json!({"client": "junk"})).await;
    let names = json!([SITE, "other.test"]);
    let found = call(stage, Language::Node, &json!({"client": "lookups", "names": names})).await;
    assert!(found["response"][SITE][0].as_str().unwrap().starts_with("127.64."), "{found}");
    assert_eq!(found["response"]["other.test"]["error"], "ENOTFOUND", "{found}");
}
