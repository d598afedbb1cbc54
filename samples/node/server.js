// What day is it, in every container? One dependency, one page.
const http = require("node:http");
const dayjs = require("dayjs");

const server = http.createServer((request, response) => {
  if (request.url === "/health") return response.end("ok\n");
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ day: dayjs().format("YYYY-MM-DD"), path: request.url }) + "\n");
});

server.listen(3000, () => console.log("listening on 3000"));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => server.close());
