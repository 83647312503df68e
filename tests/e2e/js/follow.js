// Follows the feed as a frontend does, through whatever happens to its connection: each time it is lost, subscribes
// again behind the last position it saw. Prints each item as a line of JSON.
//
// node follow.js CLIENT URL COUNT DOCUMENT VARIABLES: ends with 0 after COUNT items.
import { clients } from "./clients.js";

const [name, url, count, query, given] = process.argv.slice(2);
const RETRY_AFTER_MS = 50;
const variables = JSON.parse(given);
let left = Number(count);

function follow() {
  let over = false;
  const end = clients[name](url, query, { ...variables }, {
    next({ data, errors }) {
      if (over) return;
      if (errors) throw new Error(JSON.stringify(errors));
      variables.after = data.events.position;
      console.log(JSON.stringify(data.events));
      if (--left === 0) process.exit(0);
    },
    lost: again,
    complete() {
      throw new Error("the server says that the feed is complete");
    },
  });
  function again() {
    if (over) return;
    over = true;
    end();
    setTimeout(follow, RETRY_AFTER_MS);
  }
}

follow();
