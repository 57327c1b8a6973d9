// An account of 2026, made by Bitwarden's own SDK (npm: @bitwarden/sdk-internal), with no server of theirs.
//
//   NODE_PATH=…/node_modules node sdk_account.js < request.json > account.json
//
// request: kind       "ed25519" (a V1 account that moved up: any KDF, and whose keys are signed with Ed25519),
//                     "ml-dsa-44" (registered today with a master password; the SDK chooses the KDF), or
//                     "key-connector" (registered today, and a Key Connector keeps the master key)
//          email, password, userId; kdf for "ed25519" alone; items, folders, texts
//          organization: {id, items}; its key is a V1 key, as all are
// account: what a server keeps, in the SDK's own names, and `clear`, which no server has, to compare with.
'use strict';

const fs = require('fs');
const http = require('http');
const sdk = require('@bitwarden/sdk-internal');

const NOWHERE = 'http://127.0.0.1:9';
const DATE = '2026-01-01T00:00:00Z';
const TYPED = ['login', 'identity', 'card', 'secureNote', 'sshKey', 'bankAccount', 'driversLicense', 'passport'];
const ABSENT = [
  'id', 'organizationId', 'folderId', 'key', 'notes', ...TYPED, 'permissions', 'localData', 'attachments', 'fields',
  'passwordHistory', 'deletedDate', 'archivedDate',
];

const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const hex = (bytes) => bytes && Buffer.from(bytes).toString('hex');

// An item as the SDK takes it: each member is there, if only as undefined.
function view(item) {
  return {
    ...Object.fromEntries(ABSENT.map((name) => [name, undefined])),
    collectionIds: [], favorite: false, reprompt: 0, organizationUseTotp: false, edit: true, viewPassword: true,
    creationDate: DATE, revisionDate: DATE, ...item,
  };
}

function newClient(url) {
  const tokens = { get_access_token: async () => 'a token' };
  return new sdk.PasswordManagerClient(tokens, { apiUrl: url, identityUrl: url }, new sdk.ManagedSettingsClient());
}

// A server that says yes and keeps what it is sent: registration posts the keys, and gives them out in no other way.
async function postBox() {
  const posts = [];
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      if (body) posts.push({ path: request.url, body: JSON.parse(body) });
      response.setHeader('content-type', 'application/json');
      response.end('{}');
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const find = (path) => posts.find((post) => post.path.endsWith(path)).body;
  return { url: `http://127.0.0.1:${server.address().port}`, posts, find, close: () => server.close() };
}

async function movedUp({ userId, email, password, kdf }) {
  const oldKey = sdk.PureCrypto.make_user_key_aes256_cbc_hmac();
  const pair = sdk.PureCrypto.wrap_decapsulation_key(sdk.PureCrypto.rsa_generate_keypair(), oldKey);
  const client = newClient(NOWHERE);
  await client.crypto().initialize_user_crypto({
    userId, email, kdfParams: kdf, accountCryptographicState: { V1: { private_key: pair } },
    method: { decryptedKey: { decrypted_user_key: base64(oldKey) } },
  });
  const made = client.crypto().make_keys_for_user_crypto_v2();
  const userKey = Buffer.from(made.userKey, 'base64');
  return {
    state: {
      private_key: made.privateKey, signed_public_key: made.signedPublicKey,
      signing_key: made.signingKey, security_state: made.securityState,
    },
    kdf, salt: email,
    wrappedUserKey: sdk.PureCrypto.encrypt_user_key_with_master_password(userKey, password, email, kdf),
  };
}

async function registered({ email, password }) {
  const box = await postBox();
  const made = await newClient(box.url).auth().registration().post_keys_for_user_password_registration({
    email, salt: email, master_password: password, email_verification_token: 'none',
  });
  box.close();
  const unlock = box.posts[0].body.masterPasswordUnlock;
  const { kdfType, iterations, memory, parallelism } = unlock.kdf;
  return {
    state: made.account_cryptographic_state.V2, salt: unlock.salt, wrappedUserKey: unlock.masterKeyWrappedUserKey,
    kdf: kdfType === 1 ? { argon2id: { iterations, memory, parallelism } } : { pBKDF2: { iterations } },
  };
}

async function connected() {
  const box = await postBox();
  const made = await newClient(box.url).auth().registration().post_keys_for_key_connector_registration(box.url, 'org');
  box.close();
  return {
    state: made.account_cryptographic_state.V2, kdf: { pBKDF2: { iterations: 600000 } },
    keyConnectorKey: box.find('/user-keys').key,
    wrappedUserKey: box.find('/set-key-connector-key').keyConnectorKeyWrappedUserKey,
  };
}

const KINDS = { ed25519: movedUp, 'ml-dsa-44': registered, 'key-connector': connected };

async function unlocked(account, { userId, email, password }) {
  const client = newClient(NOWHERE);
  const { kdf, salt, wrappedUserKey, keyConnectorKey } = account;
  await client.crypto().initialize_user_crypto({
    userId, email, kdfParams: kdf, accountCryptographicState: { V2: account.state },
    method: keyConnectorKey
      ? { keyConnector: { master_key: keyConnectorKey, user_key: wrappedUserKey } }
      : { masterPasswordUnlock: {
        password, master_password_unlock: { kdf, salt, masterKeyWrappedUserKey: wrappedUserKey },
      } },
  });
  return client;
}

// What is told of the keys: in clear, and what one key wraps of another.
function keysOf(account, userKey) {
  const crypto = sdk.PureCrypto;
  const id = sdk.CryptoClient.get_key_id_for_symmetric_key;
  const privateKey = crypto.unwrap_decapsulation_key(account.state.private_key, userKey);
  const publicKey = crypto.rsa_extract_public_key(privateKey);
  const verifyingKey = crypto.verifying_key_for_signing_key(account.state.signing_key, userKey);
  const aes = crypto.make_user_key_aes256_cbc_hmac();
  const xchacha = crypto.make_user_key_xchacha20_poly1305();
  return {
    publicKey: base64(publicKey), verifyingKey: base64(verifyingKey), xchacha,
    signatureAlgorithm: crypto.key_algorithm_for_verifying_key(verifyingKey),
    wrappedOrganizationKey: crypto.encapsulate_key_unsigned(aes, publicKey),
    wrappedAesKey: crypto.wrap_symmetric_key(aes, userKey),
    wrappedXchachaKey: crypto.wrap_symmetric_key(xchacha, userKey),
    xchachaUnderAes: crypto.wrap_symmetric_key(xchacha, aes),
    clear: {
      userKey: base64(userKey), userKeyId: hex(id(userKey)), privateKey: base64(privateKey),
      aesKey: base64(aes), aesKeyId: hex(id(aes)), xchachaKey: base64(xchacha),
    },
  };
}

async function main() {
  const request = JSON.parse(fs.readFileSync(0, 'utf8'));
  const { items = [], folders = [], texts = [], organization = { items: [] } } = request;
  const account = await KINDS[request.kind](request);
  const client = await unlocked(account, request);
  const userKey = Buffer.from(await client.crypto().get_user_encryption_key(), 'base64');
  const { xchacha, ...keys } = keysOf(account, userKey);
  const vault = client.vault();
  const encrypted = async (item) => (await vault.ciphers().encrypt(view(item))).cipher;

  const ciphers = [];
  for (const item of items) ciphers.push(await encrypted(item));
  const organizationCiphers = [];
  if (organization.id) {
    const organizationKeys = new Map([[organization.id, keys.wrappedOrganizationKey]]);
    await client.crypto().initialize_org_crypto({ organizationKeys });
    for (const item of organization.items) {
      organizationCiphers.push(await encrypted({ ...item, organizationId: organization.id }));
    }
  }
  process.stdout.write(JSON.stringify({
    ...account, ...keys, ciphers, organizationCiphers,
    itemNames: items.map((item) => item.name), organizationItemNames: organization.items.map((item) => item.name),
    folderNames: folders,
    folders: folders.map((name) => vault.folders().encrypt({ id: undefined, name, revisionDate: DATE })),
    texts: texts.map((text) => sdk.PureCrypto.symmetric_encrypt_string(text, userKey)),
    xchachaTexts: texts.map((text) => sdk.PureCrypto.symmetric_encrypt_string(text, xchacha)),
    files: texts.map((text) => base64(sdk.PureCrypto.symmetric_encrypt_filedata(Buffer.from(text), userKey))),
  }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
