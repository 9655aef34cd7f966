-- A small shop: what the tour and the examples guard. Every person and number here is invented.
CREATE TABLE users (
    id    int  PRIMARY KEY,
    name  text NOT NULL,
    email text NOT NULL UNIQUE,
    ssn   text NOT NULL
);
CREATE TABLE cards (
    id      int  PRIMARY KEY,
    user_id int  NOT NULL REFERENCES users,
    pan     text NOT NULL
);
CREATE TABLE orders (
    id      int     PRIMARY KEY,
    user_id int     NOT NULL REFERENCES users,
    item    text    NOT NULL,
    amount  numeric NOT NULL
);
CREATE VIEW contacts AS SELECT name, lower(email) AS address FROM users;

INSERT INTO users VALUES
    (1, 'Ada Example',  'ada@example.com',  '536-22-8471'),
    (2, 'Bo Sample',    'bo@example.org',   '219-41-7730'),
    (3, 'Cy Placeholder', 'cy@example.net', '402-17-9356');
INSERT INTO cards VALUES
    (1, 1, '4111 1111 1111 1111'),
    (2, 2, '5555 5555 5555 4444'),
    (3, 3, '3782 822463 10005');
INSERT INTO orders VALUES
    (1, 1, 'lantern', 39.90),
    (2, 1, 'rope',    12.00),
    (3, 2, 'map',      7.50),
    (4, 3, 'compass', 24.00);
