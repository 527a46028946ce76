//! TypeScript: what it comes to, where its errors are, and that stacks show the author's lines.

use cloudbox_tests::{Api, Driver, Service};
use cloudbox_types::ErrorCode;
use serde_json::{Value, json};

/// What no version of Node.js runs as it stands.
const FEATURES: &str = "
import { createHash } from 'crypto';
enum Level { Low = 1, High = Low + 1 }
namespace Shapes { export const corners = (kind: 'square') => ({ square: 4 })[kind]; }
function upper(_target: object, _name: string, descriptor: PropertyDescriptor) {
  const inner = descriptor.value as () => string;
  return { ...descriptor, value(this: unknown) { return inner.call(this).toUpperCase(); } };
}
class Greeter {
  constructor(private readonly name: string, public count?: number) {}
  @upper greet(): string { return `hello, ${this.name}`; }
}
const digest = require('crypto').createHash === createHash;
export const handler = async (data: { name: string }): Promise<unknown> =>
  [Level[Level.High], Shapes.corners('square'), new Greeter(data.name).greet(), digest];
";

/// A handler whose error is thrown in line 12, behind lines that are gone when it is compiled.
const THROWS: &str = "interface Data {
  depth: number;
  kind?: 'sync' | 'later';
}

type Handler = (data: Data) => Promise<never>;



async function fail<T extends Data>(data: T): Promise<never> {
  if (data.kind === 'later') await null;
  throw new RangeError(`depth ${data.depth}`);
}

export const handler: Handler = async (data) => {
  console.log(new Error('shown').stack);
  return fail(data);
};
";

async fn run(driver: Driver) {
    if !driver.is_tested() {
        return;
    }
    let service = Service::start(driver).await;
    let api = service.api();
    everything_is_compiled(&api).await;
    stacks_show_the_source(&api).await;
    errors_have_places(&api).await;
    inline_code_is_compiled(&api).await;
    service.stop().await;
}

#[tokio::test]
async fn native() {
    run(Driver::Native).await;
}

#[tokio::test]
async fn docker() {
    run(Driver::Docker).await;
}

async fn everything_is_compiled(api: &Api) {
    api.launch("features", "typescript", FEATURES).await;
    let shown: Value = api.execute("features", &json!({ "data": { "name": "Ada" } })).await.with(200).json();
    assert_eq!(shown["response"], json!(["High", 4, "HELLO, ADA", true]), "{shown}");
    let edge = json!({ "name": "edge-typed", "runtime": "TYPESCRIPT",
        "code": "export default async (req: { method: string }) => ({ statusCode: 200, body: 'Hello!' as string })" });
    let made: Value = api.post("/api/edge-functions", &edge).await.with(201).json();
    let id = &made["id"];
    let path = format!("/api/edge-functions/{}/invoke", id.as_str().map_or(id.to_string(), str::to_owned));
    let called = json!({ "method": "GET", "path": "/", "headers": {}, "queryParams": {} });
    let shown = api.post(&path, &called).await.with(200);
    assert!(shown.text().contains("Hello!"), "{}", shown.text());
}

async fn stacks_show_the_source(api: &Api) {
    api.launch("throws", "typescript", THROWS).await;
    for kind in ["sync", "later"] {
        let data = json!({ "data": { "depth": 3, "kind": kind } });
        let shown: Value = api.execute("throws", &data).await.with(500).json();
        let stack = shown["stack"].as_str().unwrap();
        assert!(stack.contains("index.ts:12:9"), "{kind}: {stack}");
        assert!(!stack.contains("index.mjs"), "{kind}: {stack}");
        assert!(shown["logs"].as_str().unwrap().contains("index.ts:16:15"), "{kind}: {shown}");
    }
}

async fn errors_have_places(api: &Api) {
    let function = json!({ "name": "broken", "language": "typescript",
        "code": "interface A {}\nexport const handler = (a: A => 1;\n" });
    let _ = api.create(&function).await.with(201);
    let refusal = api.deploy("broken").await.error(ErrorCode::DeploymentError);
    assert!(refusal["error"].as_str().unwrap().contains("index.ts:2:3"), "{refusal}");
    assert_eq!(refusal["stage"], "validate", "{refusal}");
}

async fn inline_code_is_compiled(api: &Api) {
    let code = "export default async function handler(request: { body: { n: number } }, context: any) {
  const next = <T extends number>(n: T): number => n + 1;
  return context.success({ n: next(request.body.n) });
}
export const config = { timeout: 5000 } satisfies object;";
    for path in ["/execute", "/test"] {
        let body = json!({ "code": code, "language": "typescript", "request": { "body": { "n": 1 } } });
        let shown: Value = api.post(path, &body).await.with(200).json();
        assert_eq!(shown["data"], json!({ "n": 2 }), "{path}: {shown}");
    }
    let validate = |code: &'static str| async move {
        let body = json!({ "code": code, "language": "typescript" });
        let shown: Value = api.post("/validate", &body).await.with(200).json();
        shown
    };
    let shown =
        validate("export const handler = (n: number): number => n;\nexport const config = { memory: 128 };")
            .await;
    assert_eq!((&shown["valid"], &shown["config"]["memory"]), (&json!(true), &json!(128)), "{shown}");
    let shown = validate("export const handler = (n: ) => n;").await;
    assert_eq!(
        (&shown["errors"][0]["line"], &shown["errors"][0]["column"]),
        (&json!(1), &json!(28)),
        "{shown}"
    );
}
