// An OpenID Connect issuer for tests: the certified library oidc-provider, with callers,
// resources and claims for the tests of cmd/ocigate. .ci/oidc installs the library.
//
//   node provider.mjs HOST:PORT FOLDER KEY...
//
// A KEY is the id of a signing key: rsa-NAME for RS256, ec-NAME for ES256. The first key of
// an algorithm signs. The folder keeps the keys, so that another run with the same ids has
// the same keys. It prints one line when it is ready: its identifier.

import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import Provider from 'oidc-provider';

const [address, folder, ...keys] = process.argv.slice(2);
const issuer = `http://${address}`;

// What callers can ask a token for. The gateway is known by two names.
const resources = {
  'https://ocigate.example.com/': { audience: 'ocigate', alg: 'RS256' },
  'https://voice.example.com/': { audience: 'voice', alg: 'ES256' },
  'https://crm.example.com/': { audience: 'crm', alg: 'RS256' },
};

const role = (name) => ({ realm_access: { roles: ['offline_access', name] } });
const tenant = (id) => ({ 'https://claims.example.com/tenant': id });
const group = (id) => ({ organization: { group: [id] } });

// The callers, their claims, and how long their tokens last.
const callers = {
  system: { claims: { ...role('ocigate-system') } },
  tenant: { claims: { ...role('ocigate-tenant'), ...tenant('ApioSpTest') } },
  group: { claims: { ...role('ocigate-group'), ...tenant('ApioSpTest'), ...group('ApioGrpTest') } },
  'no-role': { claims: { ...role('other'), ...tenant('ApioSpTest') } },
  'no-tenant': { claims: { ...role('ocigate-tenant') } },
  short: { claims: { ...role('ocigate-system') }, seconds: 1 },
};

function keyOf(id) {
  const file = join(folder, `${id}.pem`);
  const rsa = id.startsWith('rsa-');
  if (!existsSync(file)) {
    const made = rsa ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    writeFileSync(file, made.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  }
  const jwk = createPrivateKey(readFileSync(file)).export({ format: 'jwk' });
  return { ...jwk, kid: id, use: 'sig', alg: rsa ? 'RS256' : 'ES256' };
}

const provider = new Provider(issuer, {
  jwks: { keys: keys.map(keyOf) },
  cookies: { keys: ['no cookie is used'] },
  clients: Object.keys(callers).map((name) => ({
    client_id: name,
    client_secret: `${name}-demo`,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  })),
  scopes: ['ocigate.tenant'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      // Without a resource, a token is opaque.
      defaultResource: () => [],
      getResourceServerInfo(_, resource, client) {
        const { audience, alg } = resources[resource];
        return {
          audience,
          scope: 'ocigate.tenant',
          accessTokenFormat: 'jwt',
          accessTokenTTL: callers[client.clientId].seconds ?? 600,
          jwt: { sign: { alg } },
        };
      },
    },
  },
  extraTokenClaims: (_, token) => callers[token.clientId].claims,
});

const [host, port] = address.split(':');
createServer(provider.callback()).listen(Number(port), host, () => console.log(issuer));
