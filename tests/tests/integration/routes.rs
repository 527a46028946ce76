//! The compatible routes over a real service, as clients of each use them one after another.

use cloudbox_tests::{Answer, Api, Driver, Service, both_drivers};
use reqwest::Method;
use serde_json::{Value, json};

async fn compatible_routes(driver: Driver) {
    let service = Service::start(driver).await;
    let api = service.api();
    a_function_service(&api).await;
    edge_functions(&api).await;
    a_dashboard(&api).await;
    every_public_way(&api).await;
    service.stop().await;
}

both_drivers! { compatible_routes }

const HELLO: &str = "export async function handler(event, context) {
  console.log('Processing request')
  if (event.fail) throw new Error('as asked')
  return { statusCode: 200, body: JSON.stringify({ message: 'Hello ' + event.name }) }
}";

async fn a_function_service(api: &Api) {
    let _ = api.post("/api/projects", &json!({"name": "Site", "slug": "project-123"})).await.with(201);
    let function =
        json!({"function_name": "hello", "file_path": "api/hello.js", "runtime": "node18", "code": HELLO});
    let made = api.post("/api/functions/projects/project-123", &function).await.with(201).json::<Value>();
    assert_eq!((&made["success"], &made["function"]["status"]), (&json!(true), &json!("deployed")));

    let anybody = api.anonymous();
    let path = "/api/v1/functions/project-123/hello";
    let called = anybody.post(path, &json!({"name": "World"})).await.with(200).json::<Value>();
    assert_eq!((&called["success"], &called["result"]), (&json!(true), &json!({"message": "Hello World"})));
    assert_eq!(called["logs"], json!(["[LOG] Processing request"]));
    assert!(called["duration"].is_number(), "{called}");
    let failed = anybody.post(path, &json!({"fail": true})).await.with(500).json::<Value>();
    assert_eq!((&failed["success"], &failed["error"]), (&json!(false), &json!("Error: as asked")));
    assert_eq!(failed["logs"][0], "[LOG] Processing request");

    let read = anybody.get(path).await.with(200).json::<Value>();
    let card = &read["function"];
    assert_eq!((&card["function_name"], &card["runtime"]), (&json!("hello"), &json!("node18")));
    assert_eq!((&card["is_active"], &card["invocation_count"]), (&json!(true), &json!(2)));
    let health = anybody.get("/health").await.with(200).json::<Value>();
    assert_eq!((&health["totalInvocations"], &health["failedInvocations"]), (&json!(2), &json!(1)));

    let site =
        |project: &str| anybody.request(Method::POST, "/_functions/hello").header("x-project-id", project);
    let plain = Answer::of(site("project-123").json(&json!({"name": "Ada"}))).await.with(200);
    assert_eq!(plain.json::<Value>(), json!({"message": "Hello Ada"}));
    let _ = Answer::of(site("1").json(&json!({}))).await.with(404);

    let registered = json!({"project_id": "project-123", "function_name": "hello", "code": "export const handler = () => 2"});
    let built = api.post("/api/functions/register", &registered).await.with(200).json::<Value>();
    assert_eq!(built["function"]["active_version"], 2);
    assert_eq!(anybody.post(path, &json!({})).await.with(200).json::<Value>()["result"], 2);
    let off = api.request(Method::PATCH, path).json(&json!({"is_active": false}));
    let _ = Answer::of(off).await.with(200);
    assert_eq!(anybody.post(path, &json!({})).await.with(409).json::<Value>()["code"], "DISABLED");
}

async fn edge_functions(api: &Api) {
    let broken = json!({"name": "hello-world", "code": "export default async (", "runtime": "JAVASCRIPT"});
    let refused = api.post("/api/edge-functions", &broken).await.with(422).json::<Value>();
    assert_eq!((&refused["code"], &refused["stage"]), (&json!("DEPLOYMENT_ERROR"), &json!("validate")));

    let code = "export default async (req) => ({ statusCode: 200, body: 'Hello!' })";
    let function = json!({"name": "hello-world", "code": code, "runtime": "JAVASCRIPT", "timeout": 10000, "memory": 128});
    let made = api.post("/api/edge-functions", &function).await.with(201).json::<Value>();
    let path = format!("/api/edge-functions/{}", made["id"]);
    let invoke = format!("{path}/invoke");
    let request = json!({"method": "GET", "path": "/", "headers": {}, "queryParams": {}});
    let called = api.post(&invoke, &request).await.with(200).json::<Value>();
    assert_eq!((&called["statusCode"], &called["body"]), (&json!(200), &json!("Hello!")));

    let code = "export default async function handler(request) {
  const { method, url, headers, body, query } = request;
  if (query.fail) throw new Error('as asked');
  return { statusCode: 201, headers: { 'X-Key': env.API_KEY }, body: JSON.stringify({ method, n: JSON.parse(body).n }) };
}";
    let change = json!({"code": code, "envVars": {"API_KEY": "k-1"}});
    let changed = Answer::of(api.request(Method::PATCH, &path).json(&change)).await.with(200).json::<Value>();
    assert_eq!((&changed["version"], &changed["runtime"]), (&json!(2), &json!("JAVASCRIPT")));
    let called = api.post(&invoke, &json!({"body": "{\"n\": 7}"})).await.with(200).json::<Value>();
    assert_eq!((&called["statusCode"], &called["headers"]["x-key"]), (&json!(201), &json!("k-1")));
    assert_eq!(called["body"], r#"{"method":"POST","n":7}"#);
    let failed = api.post(&invoke, &json!({"queryParams": {"fail": "1"}})).await.with(500).json::<Value>();
    assert_eq!((&failed["statusCode"], &failed["body"]["error"]), (&json!(500), &json!("Error: as asked")));
    assert!(failed["body"]["stack"].as_str().unwrap().contains("as asked"));

    let link = json!({"domainId": "domain-id", "subdomain": "api", "path": "/webhook"});
    let _ = Answer::of(api.request(Method::PATCH, &path).json(&link)).await.with(400);
    let logs = api.get(&format!("{path}/logs")).await.with(200).json::<Value>();
    let statuses: Vec<_> =
        logs["items"].as_array().unwrap().iter().map(|log| log["status"].clone()).collect();
    assert_eq!(statuses, ["ERROR", "SUCCESS", "SUCCESS"]);
    let _ = Answer::of(api.request(Method::DELETE, &path)).await.with(204);
}

async fn a_dashboard(api: &Api) {
    let code = "module.exports = (req, res) => {
  const { name = 'World' } = req.query;
  console.log('Processing request for:', name);
  if (name === 'nobody') throw new Error('as asked');
  res.json({ message: `Hello, ${name}!`, method: req.method, body: req.body });
};";
    let function = json!({"name": "greet", "language": "javascript", "code": code});
    let made = api.post("/api/functions", &function).await.with(201).json::<Value>();
    let id = &made["id"];
    assert_eq!(
        (&made["requires_api_key"], &made["invoke_url"]),
        (&json!(false), &json!(format!("/invoke/{id}")))
    );

    let anybody = api.anonymous();
    let get = anybody.get(&format!("/invoke/{id}?name=John")).await.with(200).json::<Value>();
    assert_eq!((&get["message"], &get["method"]), (&json!("Hello, John!"), &json!("GET")));
    let post = anybody.request(Method::POST, &format!("/invoke/{id}")).header("x-api-key", "your_api_key");
    let post = Answer::of(post.json(&json!({"name": "John", "age": 30}))).await.with(200).json::<Value>();
    assert_eq!((&post["message"], &post["body"]["age"]), (&json!("Hello, World!"), &json!(30)));
    let failed = anybody.get(&format!("/invoke/{id}?name=nobody")).await.with(500).json::<Value>();
    assert_eq!(failed.as_object().unwrap().len(), 3, "{failed}");

    let logs = format!("/api/functions/{id}/execution-logs");
    let all = api.get(&format!("{logs}?page=1&limit=2&filter=all")).await.with(200).json::<Value>();
    assert_eq!(all["pagination"], json!({"page": 1, "limit": 2, "total": 3, "totalPages": 2}));
    let newest = &all["logs"][0];
    assert_eq!((&newest["status"], &newest["error"]), (&json!("error"), &json!("Error: as asked")));
    assert_eq!(newest["consoleOutput"][0], "Processing request for: nobody");
    let rest = api.get(&format!("{logs}?page=2&limit=2")).await.with(200).json::<Value>();
    assert_eq!(rest["logs"].as_array().unwrap().len(), 1);
    let errors = api.get(&format!("{logs}?filter=error")).await.with(200).json::<Value>();
    assert_eq!(errors["pagination"]["total"], 1);
    let one = api.get(&format!("{logs}/{}", newest["id"].as_str().unwrap())).await.with(200).json::<Value>();
    assert_eq!(&one, newest);

    let stats = api.get("/api/dashboard/stats").await.with(200).json::<Value>();
    assert!(stats["totalExecutions"].as_i64() >= Some(3) && stats["failedExecutions"].as_i64() >= Some(1));
    assert!(stats["averageExecutionTime"].as_f64() > Some(0.0), "{stats}");
    let recent = api.get("/api/dashboard/recent-activity?limit=1").await.with(200).json::<Value>();
    assert_eq!((&recent["items"][0]["functionId"], &recent["items"][0]["success"]), (id, &json!(false)));
}

async fn every_public_way(api: &Api) {
    let echo = "exports.handler = async (data, context) => context.method === 'POST'
  ? { statusCode: 200, headers: { 'content-type': 'image/png' }, body: data.base64, isBase64Encoded: true }
  : { statusCode: 302, headers: { location: '/there', 'set-cookie': ['a=1', 'b=2'] }, body: '' };";
    let app = "async def app(scope, receive, send):
    text = scope['root_path'] + ' ' + scope['path']
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-type', b'text/plain')]})
    await send({'type': 'http.response.body', 'body': text.encode()})
";
    let cors = json!({"origins": ["https://a.example"], "credentials": true, "expose_headers": ["x-a"], "max_age": 60});
    let function = json!({"name": "echo", "code": echo, "cors": cors});
    let echo = api.post("/api/functions", &function).await.with(201).json::<Value>()["id"].clone();
    let function = json!({"name": "app", "language": "python", "code": app, "entry_point": "app"});
    let app = api.post("/api/functions", &function).await.with(201).json::<Value>()["id"].clone();
    let anybody = api.anonymous();
    let bytes: Vec<u8> = (0..=255).collect();
    for way in
        [format!("/invoke/{echo}"), "/_functions/echo".to_owned(), "/p/default/functions/echo".to_owned()]
    {
        let request =
            |method: &Method| anybody.request(method.clone(), &way).header("origin", "https://a.example");
        let posted = Answer::of(request(&Method::POST).body(bytes.clone())).await.with(200);
        assert_eq!(
            (posted.body, &posted.headers["content-type"]),
            (bytes.clone(), &"image/png".parse().unwrap())
        );
        assert_eq!(posted.headers["access-control-expose-headers"], "x-a");
        assert_eq!(posted.headers["access-control-allow-credentials"], "true");
        let moved = Answer::of(request(&Method::GET)).await.with(302);
        assert_eq!(moved.headers["location"], "/there");
        assert_eq!(moved.headers.get_all("set-cookie").iter().count(), 2);
        let head = Answer::of(request(&Method::HEAD)).await.with(302);
        assert!(head.body.is_empty());
        let asked = request(&Method::OPTIONS).header("access-control-request-method", "POST");
        let asked = Answer::of(asked).await.with(204);
        assert_eq!(asked.headers["access-control-max-age"], "60");
        assert!(!asked.headers.contains_key("x-cloudbox-version"));
    }
    for way in [format!("/invoke/{app}"), "/_functions/app".to_owned(), "/p/default/functions/app".to_owned()]
    {
        let told = anybody.get(&format!("{way}/users/1")).await.with(200);
        assert_eq!(told.text(), format!("{way} {way}/users/1"));
    }
}
