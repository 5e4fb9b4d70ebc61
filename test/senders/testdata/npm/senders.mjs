// Signs and emits with the senders' own libraries, and posts to the ingress whose address is the first argument. The
// standard input holds requests that the bridge signed itself, for the libraries to check. Prints one line of JSON a
// request: what was done, and the answer's status (or whether a library believes it).
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, LogSeverity, shopifyApi } from "@shopify/shopify-api";
import { createSHA256HMAC } from "@shopify/shopify-api/runtime";
import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from "cloudevents";
import { readFileSync } from "node:fs";
import { Webhook as Standard } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";

const base = process.argv[2];
const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const other = "whsec_" + "A".repeat(32);
const now = new Date();
const long = new Date(now.getTime() - 3600_000);
const say = (name, result) => console.log(JSON.stringify({ name, result }));

async function post(name, source, headers, body) {
  const res = await fetch(`${base}/hooks/default/${source}`, {
    method: "POST", body, headers: { "content-type": "application/json", ...headers },
  });
  say(name, res.status);
}

const stripe = new Stripe("sk_test_of_nobody");
const paid = JSON.stringify({
  id: "evt_1", object: "event", type: "checkout.session.completed", created: Math.floor(now / 1000),
  data: { object: { id: "cs_1", payment_intent: "pi_1", mode: "payment", payment_status: "paid", amount_total: 5990, currency: "eur",
    customer_details: { email: "stripe@example.com", name: "Ada Example" } } },
});
const stripeHeader = (payload, secret, at = now) => ({
  "stripe-signature": stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp: Math.floor(at / 1000) }),
});
await post("stripe accepted", "stripe", stripeHeader(paid, "whsec_of_stripe"), paid);
await post("stripe refused: body", "stripe", stripeHeader(paid, "whsec_of_stripe"), paid + " ");
await post("stripe refused: secret", "stripe", stripeHeader(paid, "whsec_of_another"), paid);
await post("stripe refused: timestamp", "stripe", stripeHeader(paid, "whsec_of_stripe", long), paid);
await post("stripe refused: nothing", "stripe", {}, paid);

for (const [kind, Webhook, prefix] of [["standard", Standard, "webhook"], ["svix", Svix, "svix"]]) {
  const body = JSON.stringify({ type: "user.created", timestamp: now.toISOString(), data: { email: `${kind}@example.com` } });
  const header = (secret, at = now, id = "msg_1") => ({
    [`${prefix}-id`]: id, [`${prefix}-timestamp`]: String(Math.floor(at / 1000)), [`${prefix}-signature`]: new Webhook(secret).sign(id, at, body),
  });
  await post(`${kind} accepted`, kind, header(whsec), body);
  await post(`${kind} refused: body`, kind, header(whsec), body + " ");
  await post(`${kind} refused: secret`, kind, header(other), body);
  await post(`${kind} refused: timestamp`, kind, header(whsec, long), body);
  await post(`${kind} refused: id`, kind, { ...header(whsec), [`${prefix}-id`]: "msg_2" }, body);
}

const order = JSON.stringify({
  id: 1, name: "#1001", email: "shopify@example.com", financial_status: "paid", total_price: "59.90", currency: "EUR",
  created_at: now.toISOString(), updated_at: now.toISOString(), processed_at: now.toISOString(), line_items: [],
});
for (const x of ["x-", ""]) {
  const header = async (secret, body) => ({
    [`${x}shopify-topic`]: "orders/paid", [`${x}shopify-shop-domain`]: "shop.example.com", [`${x}shopify-webhook-id`]: "w1",
    [`${x}shopify-hmac-sha256`]: await createSHA256HMAC(secret, body),
  });
  await post(`shopify ${x}accepted`, "shopify", await header("a-secret-of-the-app", order), order);
  await post(`shopify ${x}refused: body`, "shopify", await header("a-secret-of-the-app", order), order + " ");
  await post(`shopify ${x}refused: secret`, "shopify", await header("another", order), order);
}

const event = (id) => new CloudEvent({
  id, source: "/till/7", type: "order.paid", time: now.toISOString(), datacontenttype: "application/json",
  data: { contact: { email: "cloudevents@example.com" }, order: { id, total: "59.90", currency: "EUR" } },
});
const authorization = "Bearer a-token-of-the-publisher";
const transport = httpTransport(`${base}/hooks/default/cloudevents`);
for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
  const emit = emitterFor(transport, { mode });
  for (const [what, token] of [["accepted", authorization], ["refused: token", "Bearer another"]]) {
    const res = await emit(event(`A-${mode}`), { headers: { authorization: token } });
    say(`cloudevents ${mode} ${what}`, JSON.parse(res.body).status); // the transport does not tell the HTTP status
  }
}
const batch = "[" + ["A-1", "A-2"].map((id) => HTTP.structured(event(id)).body).join(",") + "]";
await post("cloudevents batch accepted", "cloudevents", { authorization, "content-type": "application/cloudevents-batch+json" }, batch);

// What the bridge signs, the libraries believe; changed, they do not.
const shopify = shopifyApi({
  apiKey: "key", apiSecretKey: "a-secret-of-the-app", hostName: "shop.example.com", apiVersion: ApiVersion.Unstable, isEmbeddedApp: false,
  logger: { level: LogSeverity.Error },
});
const believes = {
  stripe: (r, body) => stripe.webhooks.constructEvent(body, r.headers["Stripe-Signature"], "whsec_of_stripe"),
  standard: (r, body) => new Standard(whsec).verify(body, lower(r.headers)),
  svix: (r, body) => new Svix(whsec).verify(body, lower(r.headers)),
  shopify: async (r, body) => {
    const got = await shopify.webhooks.validate({ rawBody: body, rawRequest: { method: "POST", url: "/", headers: lower(r.headers) } });
    if (!got.valid) throw new Error(got.reason);
  },
};
const lower = (headers) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
for (const r of JSON.parse(readFileSync(0, "utf8"))) {
  for (const [what, body] of [["signed here", r.body], ["signed here and changed", r.body + " "]]) {
    let result = "believed";
    try { await believes[r.kind](r, body); } catch { result = "not believed"; }
    say(`${r.kind} ${what}`, result);
  }
}
