//! The answer by the server itself: what HTTP and JSON cost, and nothing else.

use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Hello {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

pub(crate) fn router() -> Router {
    Router::new().route("/", post(hello))
}

async fn hello(Json(Hello { name }): Json<Hello>) -> Json<Greeting> {
    Json(Greeting { greeting: format!("Hello, {name}!") })
}
