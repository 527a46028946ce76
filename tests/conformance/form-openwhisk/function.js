function main(params) {
  return { greeting: `Hello, ${params.name || 'stranger'}!`, method: params.__ow_method, place: params.place };
}
