interface Params { name?: string; place?: string; __ow_method?: string }

function main(params: Params): object {
  return { greeting: `Hello, ${params.name || 'stranger'}!`, method: params.__ow_method, place: params.place };
}
