// What stands outside of the handler runs once, when the code is loaded, and stays while the function is warm.
let calls = 0;

// `data` is the parsed body, or the query of a request without one; `context` is the request around it.
exports.handler = async (data, context) => {
  const name = data?.name ?? 'world';
  calls += 1;

  // What is printed becomes the invocation's logs: cloudbox logs hello-node
  console.log(`${context.method} ${context.path}: call ${calls} greets ${name}`);

  // Any value is sent as JSON.
  return {
    greeting: `${process.env.GREETING}, ${name}!`,
    from: `Node ${process.versions.node}`,
    calls,
    invocation: context.invocationId,
  };
};
