//! The sources that the native API's document shows, in its form: two handlers in one file, an import left unused.

pub const NODE: &str = r"
// Simple handler function
exports.handler = async (data, context) => {
  console.log('Received data:', data);

  return {
    message: 'Hello from CloudBox!',
    timestamp: new Date().toISOString(),
    input: data
  };
};

// With error handling
exports.handler = async (data, context) => {
  try {
    if (!data.name) {
      throw new Error('Name is required');
    }

    return {
      greeting: `Hello, ${data.name}!`,
      method: context.method,
      headers: context.headers
    };
  } catch (error) {
    console.error('Function error:', error.message);
    throw error;
  }
};
";

pub const PYTHON: &str = r#"
import json
import datetime

def handler(data, context):
    """Main function handler"""
    print(f"Received data: {data}")

    return {
        'message': 'Hello from Python!',
        'timestamp': datetime.datetime.now().isoformat(),
        'input': data
    }

# With error handling
def handler(data, context):
    if 'name' not in data:
        raise ValueError('Name is required')

    return {
        'greeting': f"Hello, {data['name']}!",
        'method': context.get('method'),
        'headers': context.get('headers', {})
    }
"#;

pub const GO: &str = r#"package main

import (
    "encoding/json"
    "fmt"
    "time"
)

type Response struct {
    Message   string      `json:"message"`
    Timestamp string      `json:"timestamp"`
    Input     interface{} `json:"input"`
}

func handler(data map[string]interface{}, context map[string]interface{}) (Response, error) {
    fmt.Printf("Received data: %+v\n", data)

    return Response{
        Message:   "Hello from Go!",
        Timestamp: time.Now().Format(time.RFC3339),
        Input:     data,
    }, nil
}
"#;
